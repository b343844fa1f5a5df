// Search as one types, over ids, names, serials, addresses and external ids of every entity.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/branch.h"

namespace tandem::api {

struct SearchResult {
  std::string kind;
  std::string id;
  std::string name;     // empty where it has none
  std::string matched;  // the attribute that matched, "id" first
  bool operator==(const SearchResult&) const = default;
};

struct SearchAnswer {
  log::Offset applied = 0;            // the state that this is an answer of
  bool complete = true;               // false while the index is first being made
  bool truncated = false;             // more entities match than were looked at or asked for
  std::vector<SearchResult> results;  // the best first
};

struct SearchOptions {
  std::string kind = {};  // empty: all
  size_t limit = 20;
};

// A read model that follows the inventory. Words of the text of every entity stand in sorted arrays, so what begins
// with what was typed is one range of each; words not at the front of the text are found as well.
//
// Method: a suffix array over word starts, kept in segments of which a new one holds what changed and neighbours of
// like size are merged (as in a log-structured merge tree), so that following costs O(log n) a change over time. A
// segment keeps entities that have changed since; every hit is checked on the snapshot that the index has followed to,
// which also makes answers exact. Complexity of a search: O(words · log n + entities that begin with the rarest word,
// at most kLookedAtMax). ~90 bytes an entity and word. Fails by: a word that more than kLookedAtMax entities have in
// common shows the first of them in order of the word's continuation, and says so (`truncated`). Threads: one follows,
// any number search.
class SearchIndex {
 public:
  static constexpr size_t kLookedAtMax = 10'000;  // entities, 2 to 5 ms
  static constexpr size_t kWordsMax = 8;          // of a question

  SearchIndex();
  ~SearchIndex();

  // Everything in `now`; replaces what was there.
  void rebuild(const inventory::Snapshot& now);
  // Takes in what `now`, of a later offset, has different. O(what is not shared).
  void follow(const inventory::Snapshot& now);

  SearchAnswer search(std::string_view question, const SearchOptions& options) const;
  // The same on a branch: what the index has is checked on the branch's head, and the branch's own edits and what its
  // parent has changed since are read, at most kLookedAtMax entities; past that the answer is `truncated`.
  SearchAnswer search(std::string_view question, const SearchOptions& options, const inventory::Branch& branch) const;
  log::Offset applied() const;
  size_t bytes() const;  // held

 private:
  struct State;
  std::atomic<std::shared_ptr<const State>> state_;
};

// The words of a text as they are searched for: lower-case, accents off, other scripts as they are.
std::vector<std::string> search_words(std::string_view text);

}  // namespace tandem::api

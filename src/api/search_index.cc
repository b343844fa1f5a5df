#include "api/search_index.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>

#include "base/text.h"
#include "inventory/diff.h"

namespace tandem::api {
namespace {

// What is searched beside the id, in order of weight. (Words of a description would find everything.)
constexpr std::array<std::string_view, 13> kSearched{
    "name",      "serial",     "external_ids", "address",      "prefix",  "mac_address", "asset_tag",
    "router_id", "n3_address", "n4_address",   "srv6_locator", "aliases", "tags"};
constexpr size_t kTextBytesMax = 1'000;  // of one entity's words: a hundred names; more is data, not a name
constexpr size_t kHitsKept = 1'000;      // ranked: ten times what is ever asked for

bool is_searched(std::string_view attribute) { return std::ranges::find(kSearched, attribute) != kSearched.end(); }

// One entity's block in a segment: begin, kind, end, id, end, then words each after its mark: those of the id, end, and
// the others. None of the marks can stand in an id or a kind, and words are made here.
constexpr char kBegin = '\x00';
constexpr char kEnd = '\x01';
constexpr char kWord = '\x02';

bool is_word_byte(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

void append_texts(const Json& value, std::vector<std::string>& out) {
  if (value.is_string()) out.emplace_back(value.text());
  for (const Json& item : value.array()) append_texts(item, out);
}

// Each text that is searched, with the attribute it is of; the id first.
std::vector<std::pair<std::string_view, std::string>> searched_texts(const inventory::Entity& entity) {
  std::vector<std::pair<std::string_view, std::string>> texts{{"id", entity.id}};
  for (const std::string_view name : kSearched) {
    const v1::Value* value = entity.find(name);
    if (value == nullptr) continue;
    std::vector<std::string> found;
    append_texts(inventory::to_json_value(*value), found);
    for (std::string& text : found) texts.emplace_back(name, std::move(text));
  }
  return texts;
}

// The words of one text, each with its mark before it, so that a question of several words finds them side by side.
std::string marked_words(std::string_view text) {
  std::string marked;
  for (const std::string& word : search_words(text)) (marked += kWord) += word;
  return marked;
}

// What is searched for, made once.
struct Question {
  std::vector<std::string> words;
  std::vector<std::string> marked;  // the same, each after its mark
  std::string phrase;               // all of them, one after the other

  explicit Question(std::string_view text) : words(search_words(text)) {
    if (words.size() > SearchIndex::kWordsMax) words.resize(SearchIndex::kWordsMax);
    for (const std::string& word : words) marked.push_back(std::string(1, kWord) + word);
    for (const std::string& word : marked) phrase += word;
  }
  bool is_any_in(std::string_view text) const {
    return std::ranges::any_of(marked,
                               [&](const std::string& word) { return text.find(word) != std::string_view::npos; });
  }
  bool are_all_in(std::string_view text) const {
    return std::ranges::all_of(marked,
                               [&](const std::string& word) { return text.find(word) != std::string_view::npos; });
  }
  // How well an entity answers: lower is better. `texts` are the words that are not of the id.
  int rank_of(std::string_view id, std::string_view texts) const {
    if (id == phrase) return 0;
    if (id.starts_with(phrase)) return 1;
    if (texts.starts_with(phrase)) return 2;
    return id.find(phrase) != std::string_view::npos || texts.find(phrase) != std::string_view::npos ? 3 : 4;
  }
};

struct Segment {
  std::string text;             // blocks
  std::vector<uint32_t> words;  // places in `text` where a word begins, ordered by what follows
  size_t entities = 0;

  void add(const inventory::Entity& entity) {
    ++entities;
    (((text += kBegin) += entity.kind) += kEnd) += entity.id;
    text += kEnd;
    const size_t first = text.size();
    for (const auto& [attribute, value] : searched_texts(entity)) {
      const std::string marked = marked_words(value);
      if (text.size() - first + marked.size() <= kTextBytesMax) text += marked;
      if (attribute == "id") text += kEnd;
    }
    for (size_t i = first; i < text.size(); ++i)
      if (text[i] == kWord) words.push_back(static_cast<uint32_t>(i + 1));
  }
  bool is_full() const { return text.size() > (size_t{1} << 31); }
  void sort() {
    text.shrink_to_fit();
    words.shrink_to_fit();
    std::ranges::sort(words, [&](uint32_t a, uint32_t b) { return rest(a) < rest(b); });
  }
  // Enough of the text from there on to tell words and phrases apart.
  std::string_view rest(uint32_t place) const { return std::string_view(text).substr(place, 64); }

  std::span<const uint32_t> range(std::string_view word) const {
    const std::string_view bounded = word.substr(0, 64);
    const auto low = std::ranges::lower_bound(words, bounded, {},
                                              [&](uint32_t place) { return rest(place).substr(0, bounded.size()); });
    const auto high = std::upper_bound(low, words.end(), bounded, [&](std::string_view wanted, uint32_t place) {
      return wanted < rest(place).substr(0, wanted.size());
    });
    return {low, high};
  }

  struct Block {
    std::string_view kind;
    std::string_view id;
    std::string_view id_words;  // marked
    std::string_view words;     // all, marked
    std::string_view texts() const { return words.substr(id_words.size() + 1); }
  };
  Block block(uint32_t place) const {
    const std::string_view view = text;
    const size_t begin = view.rfind(kBegin, place);
    const size_t kind_end = view.find(kEnd, begin);
    const size_t id_end = view.find(kEnd, kind_end + 1);
    const size_t id_words_end = view.find(kEnd, id_end + 1);
    const size_t end = std::min(view.find(kBegin, id_end), view.size());
    const auto piece = [&](size_t from, size_t to) { return view.substr(from + 1, to - from - 1); };
    return {piece(begin, kind_end), piece(kind_end, id_end), piece(id_end, id_words_end), piece(id_end, end)};
  }
};

using Segments = std::vector<std::shared_ptr<const Segment>>;

struct Hit {
  int rank = 0;
  size_t length = 0;  // of the id
  std::string_view kind;
  std::string_view id;
  auto operator<=>(const Hit&) const = default;
};

// The word that the fewest entries begin with, to look at those.
std::string_view rarest(const Segments& segments, const std::vector<std::string>& words) {
  std::string_view best = words.front();
  size_t best_count = SIZE_MAX;
  for (const std::string& word : words) {
    size_t count = 0;
    for (const auto& segment : segments) count += segment->range(word).size();
    if (count < best_count) {
      best = word;
      best_count = count;
    }
  }
  return best;
}

// The best of what the segments hold, at most kHitsKept; `truncated` where not all of it was looked at.
std::set<Hit> find_hits(const Segments& segments, const Question& question, std::string_view kind, bool& truncated) {
  const std::string_view sought = rarest(segments, question.words);
  std::set<Hit> best;
  size_t looked_at = 0;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    for (const uint32_t place : (*segment)->range(sought)) {
      if (++looked_at > SearchIndex::kLookedAtMax) {
        truncated = true;
        return best;
      }
      const Segment::Block block = (*segment)->block(place);
      if ((!kind.empty() && block.kind != kind) || !question.are_all_in(block.words)) continue;
      best.insert({question.rank_of(block.id_words, block.texts()), block.id.size(), block.kind, block.id});
      if (best.size() > kHitsKept) best.erase(std::prev(best.end()));
    }
  }
  return best;
}

// The hit as the entity is now; nothing where it is gone or no longer answers.
std::optional<SearchResult> check(const Hit& hit, const Question& question, const inventory::Snapshot& now) {
  const auto entity = now.find(hit.kind, hit.id);
  if (!entity) return std::nullopt;
  std::string all;
  std::string_view matched;
  for (const auto& [attribute, text] : searched_texts(*entity)) {
    const std::string marked = marked_words(text);
    if (matched.empty() && question.is_any_in(marked)) matched = attribute;
    all += marked;
  }
  if (!question.are_all_in(all)) return std::nullopt;
  const v1::Value* name = entity->find("name");
  return SearchResult{entity->kind, entity->id, name != nullptr ? name->text() : "", std::string(matched)};
}

}  // namespace

struct SearchIndex::State {
  inventory::Snapshot snapshot;
  Segments segments;  // the largest and oldest first
  bool complete = false;
};

SearchIndex::SearchIndex() : state_(std::make_shared<const State>()) {}
SearchIndex::~SearchIndex() = default;

log::Offset SearchIndex::applied() const { return state_.load()->snapshot.offset(); }

size_t SearchIndex::bytes() const {
  size_t bytes = 0;
  for (const auto& segment : state_.load()->segments)
    bytes += segment->text.capacity() + segment->words.capacity() * sizeof(uint32_t);
  return bytes;
}

std::vector<std::string> search_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto begin = std::ranges::find_if(text, is_word_byte);
    text.remove_prefix(static_cast<size_t>(begin - text.begin()));
    const auto end = std::ranges::find_if_not(text, is_word_byte);
    const std::string_view word = text.substr(0, static_cast<size_t>(end - text.begin()));
    text.remove_prefix(word.size());
    if (word.empty()) continue;
    // What has no Latin letters or digits is taken as it is written.
    std::string plain = slug(word);
    if (plain.empty() && is_utf8(word)) plain = word;
    for (const std::string_view part : split(plain, '-'))
      if (!part.empty()) words.emplace_back(part);
  }
  return words;
}

void SearchIndex::rebuild(const inventory::Snapshot& now) {
  auto state = std::make_shared<State>();
  state->snapshot = now;
  auto segment = std::make_shared<Segment>();
  const auto close = [&] {
    segment->sort();
    state->segments.push_back(std::exchange(segment, std::make_shared<Segment>()));
  };
  for (const std::string& kind : now.kinds()) {
    now.for_each(kind, [&](const inventory::Entity& entity) {
      segment->add(entity);
      if (segment->is_full()) close();
      return true;
    });
  }
  close();
  state->complete = true;
  state_.store(std::move(state));
}

namespace {

// The entities of all of these as they are now, once each.
std::shared_ptr<const Segment> merged(std::span<const std::shared_ptr<const Segment>> segments,
                                      const inventory::Snapshot& now) {
  std::set<std::pair<std::string_view, std::string_view>> keys;
  for (const auto& segment : segments) {
    for (size_t begin = 0; begin < segment->text.size();) {
      const Segment::Block block = segment->block(static_cast<uint32_t>(begin));
      keys.emplace(block.kind, block.id);
      begin = static_cast<size_t>(block.words.data() - segment->text.data()) + block.words.size();
    }
  }
  auto result = std::make_shared<Segment>();
  for (const auto& [kind, id] : keys)
    if (const auto entity = now.find(kind, id)) result->add(*entity);
  result->sort();
  return result;
}

}  // namespace

void SearchIndex::follow(const inventory::Snapshot& now) {
  const auto before = state_.load();
  if (!before->complete) return rebuild(now);
  auto state = std::make_shared<State>(*before);
  state->snapshot = now;
  auto fresh = std::make_shared<Segment>();
  for (const inventory::Change& change : inventory::changes_between(before->snapshot, now)) {
    const bool concerns =
        change.what != inventory::Change::What::changed || std::ranges::any_of(change.attributes, is_searched);
    const auto entity = concerns ? now.find(change.kind, change.id) : std::nullopt;
    if (entity) fresh->add(*entity);  // one that is gone is seen to be: hits are checked on the snapshot
  }
  if (fresh->entities > 0) {
    fresh->sort();
    Segments& segments = state->segments;
    segments.push_back(std::move(fresh));
    // Each keeps at least twice what follows it.
    size_t first = segments.size() - 1;
    size_t sum = segments[first]->entities;
    while (first > 0 && segments[first - 1]->entities < 2 * sum) sum += segments[--first]->entities;
    if (first + 1 < segments.size() && !segments[first]->is_full()) {
      auto joined = merged(std::span(segments).subspan(first), now);
      segments.resize(first);
      segments.push_back(std::move(joined));
    }
  }
  state_.store(std::move(state));
}

namespace {

// What the segments hold, as it is in the snapshot.
void find_results(const Segments& segments, const Question& question, const SearchOptions& options,
                  const inventory::Snapshot& now, SearchAnswer& answer) {
  std::set<std::pair<std::string_view, std::string_view>> told;
  for (const Hit& hit : find_hits(segments, question, options.kind, answer.truncated)) {
    if (!told.emplace(hit.kind, hit.id).second) continue;
    auto result = check(hit, question, now);
    if (!result) continue;
    if (answer.results.size() == options.limit) {
      answer.truncated = true;
      break;
    }
    answer.results.push_back(std::move(*result));
  }
}

// The entities of a branch that are other than in `main`, its own edits first; `truncated` where there are more.
std::shared_ptr<const Segment> segment_of(const inventory::Branch& branch, const inventory::Snapshot& main,
                                          bool& truncated) {
  auto segment = std::make_shared<Segment>();
  std::set<inventory::EntityKey> seen;
  const auto take = [&](const inventory::EntityKey& key) {
    if (seen.contains(key)) return true;
    if (seen.size() == SearchIndex::kLookedAtMax) return !(truncated = true);
    seen.insert(key);
    if (const auto entity = branch.head.find(key.kind, key.id)) segment->add(*entity);
    return true;
  };
  for (const auto& [key, held] : branch.edits)
    if (!take(key)) break;
  if (!truncated) inventory::Snapshot::for_each_difference(main, branch.head, take);
  segment->sort();
  return segment;
}

}  // namespace

SearchAnswer SearchIndex::search(std::string_view text, const SearchOptions& options) const {
  const auto state = state_.load();
  SearchAnswer answer{state->snapshot.offset(), state->complete, false, {}};
  const Question question(text);
  if (!question.words.empty()) find_results(state->segments, question, options, state->snapshot, answer);
  return answer;
}

SearchAnswer SearchIndex::search(std::string_view text, const SearchOptions& options,
                                 const inventory::Branch& branch) const {
  const auto state = state_.load();
  SearchAnswer answer{branch.head.offset(), state->complete, false, {}};
  const Question question(text);
  if (question.words.empty()) return answer;
  Segments segments = state->segments;
  segments.push_back(segment_of(branch, state->snapshot, answer.truncated));
  find_results(segments, question, options, branch.head, answer);
  return answer;
}

}  // namespace tandem::api

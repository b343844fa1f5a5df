// An ordered map whose copy costs O(1) and shares everything with the original; a change copies only what it must.
//
// Method: a B-tree whose nodes are shared behind reference counts. A change walks from the root and copies each node
// that another map also holds; a node held once is changed in place, so a load of n entries into one map allocates no
// more than a mutable tree would. Nodes hold between a half and all of kFanout entries (the last leaf of an ascending
// load aside, which is left full), so depth is at most log₈(n).
// Complexity: find, set, erase O(log n); iteration O(1) an entry; copy O(1); difference of two maps of which one came
// from the other by d changes O(d · log n), since what they share is stepped over unseen.
// Threads: one map is for one thread, copies of it may be used by others at once (counts are atomic). Every thread sees
// only const nodes or nodes that are its own.
// Reference: R. Bayer, E. McCreight, "Organization and Maintenance of Large Ordered Indexes", 1972; in-place change of
// uniquely held nodes as "transients" in Clojure's and L. Bolívar Puente's (immer, 2017) collections.
// Fails by: a change after every copy costs kFanout count increments for each level, many of them cache misses.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tandem {

// Key and Value are default-constructible and copyable; their moves do not throw. `Less` orders keys strictly, and if
// transparent accepts anything comparable in `find` and `lower_bound`.
template <class Key, class Value, class Less = std::less<>>
class PersistentMap {
 public:
  static constexpr size_t kFanout = 16;  // measured: 8 is slower to load and holds less densely, 32 is slower to copy

  PersistentMap() = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The value under the key; null when there is none. Valid until this map is changed or destroyed.
  template <class K>
  const Value* find(const K& key) const {
    const Node* node = root_.get();
    if (!node) return nullptr;
    while (!node->leaf) node = as_inner(node).children[child_position(as_inner(node), key)].get();
    const Leaf& leaf = as_leaf(node);
    const size_t position = leaf_position(leaf, key);
    return position < leaf.count && !Less{}(key, leaf.keys[position]) ? &leaf.values[position] : nullptr;
  }

  // The value under the key, to be changed; a default one is put there when there is none.
  Value& edit(const Key& key) {
    if (!root_) root_ = Ref(new Leaf);
    Value* place = nullptr;
    if (auto split = insert(root_, key, place)) {
      auto grown = std::make_unique<Inner>();
      grown->count = 2;
      grown->keys[0] = std::move(split->first);
      grown->children[0] = std::move(root_);
      grown->children[1] = std::move(split->second);
      root_ = Ref(grown.release());
    }
    return *place;
  }

  // True when the key is new.
  bool set(const Key& key, Value value) {
    const size_t before = size_;
    edit(key) = std::move(value);
    return size_ != before;
  }

  // True when it was there. A key that is not there copies nothing.
  template <class K>
  bool erase(const K& key) {
    if (!find(key)) return false;
    remove(root_, key);
    --size_;
    if (!root_->leaf && root_->count == 1) {
      Ref only = as_inner(root_.get()).children[0];
      root_ = std::move(only);
    }
    if (size_ == 0) root_ = Ref();
    return true;
  }

  // True when both are the same tree: equal without looking. (Unequal trees may hold equal entries.)
  bool shares_all(const PersistentMap& other) const { return root_.get() == other.root_.get(); }

 private:
  struct Node {
    explicit Node(bool is_leaf) : leaf(is_leaf) {}
    mutable std::atomic<uint32_t> references{1};
    const bool leaf;
    uint16_t count = 0;  // entries of a leaf, children of an inner node
  };

  struct Leaf;
  struct Inner;

  class Ref {
   public:
    Ref() = default;
    explicit Ref(Node* node) : node_(node) {}
    Ref(const Ref& other) : node_(other.node_) {
      if (node_) node_->references.fetch_add(1, std::memory_order_relaxed);
    }
    Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Ref& operator=(Ref other) noexcept { return std::swap(node_, other.node_), *this; }
    ~Ref() {
      if (node_ && node_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(node_);
    }
    Node* get() const { return node_; }
    Node* operator->() const { return node_; }
    explicit operator bool() const { return node_ != nullptr; }
    bool unique() const { return node_->references.load(std::memory_order_acquire) == 1; }

   private:
    static void destroy(Node* node) {
      if (node->leaf) {
        prefetch_counts(as_leaf(node));
        delete static_cast<Leaf*>(node);
      } else {
        prefetch_counts(as_inner(node));
        delete static_cast<Inner*>(node);
      }
    }
    Node* node_ = nullptr;
  };

  struct Leaf : Node {
    Leaf() : Node(true) {}
    std::array<Key, kFanout> keys{};
    std::array<Value, kFanout> values{};
  };

  // keys[i] is above every key under children[i] and not above any under children[i + 1].
  struct Inner : Node {
    Inner() : Node(false) {}
    std::array<Key, kFanout - 1> keys{};
    std::array<Ref, kFanout> children{};
  };

  using Split = std::pair<Key, Ref>;  // a new right neighbour and the key that bounds it below

  static const Leaf& as_leaf(const Node* node) { return *static_cast<const Leaf*>(node); }
  static const Inner& as_inner(const Node* node) { return *static_cast<const Inner*>(node); }

  template <class K>
  static size_t leaf_position(const Leaf& leaf, const K& key) {  // of the first key not below `key`
    size_t low = 0, high = leaf.count;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (Less{}(leaf.keys[middle], key))
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  template <class K>
  static size_t child_position(const Inner& inner, const K& key) {
    size_t low = 0, high = inner.count - 1u;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (Less{}(key, inner.keys[middle]))
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }

  // Copying a node counts up everything it holds, most of it out of cache: the misses are made to overlap.
  static void prefetch_counts(const Leaf& leaf) {
    if constexpr (requires { prefetch_count(leaf.values[0]); })
      for (size_t i = 0; i < leaf.count; ++i) prefetch_count(leaf.values[i]);
  }
  static void prefetch_counts(const Inner& inner) {
    for (size_t i = 0; i < inner.count; ++i) __builtin_prefetch(inner.children[i].get(), 1);
  }

  // The node behind `ref`, made ours alone.
  static Leaf& own_leaf(Ref& ref) {
    if (!ref.unique()) {
      const Leaf& shared = as_leaf(ref.get());
      prefetch_counts(shared);
      auto copy = std::make_unique<Leaf>();
      copy->count = shared.count;
      for (size_t i = 0; i < shared.count; ++i) copy->keys[i] = shared.keys[i];
      for (size_t i = 0; i < shared.count; ++i) copy->values[i] = shared.values[i];
      ref = Ref(copy.release());
    }
    return *static_cast<Leaf*>(ref.get());
  }

  static Inner& own_inner(Ref& ref) {
    if (!ref.unique()) {
      const Inner& shared = as_inner(ref.get());
      prefetch_counts(shared);
      auto copy = std::make_unique<Inner>();
      copy->count = shared.count;
      for (size_t i = 0; i + 1 < shared.count; ++i) copy->keys[i] = shared.keys[i];
      for (size_t i = 0; i < shared.count; ++i) copy->children[i] = shared.children[i];
      ref = Ref(copy.release());
    }
    return *static_cast<Inner*>(ref.get());
  }

  std::optional<Split> insert(Ref& ref, const Key& key, Value*& place) {
    if (ref->leaf) return insert_into_leaf(own_leaf(ref), key, place);
    Inner& inner = own_inner(ref);
    const size_t position = child_position(inner, key);
    auto split = insert(inner.children[position], key, place);
    if (!split) return std::nullopt;
    return insert_child(inner, position, std::move(*split));
  }

  // Where a full node is cut when one more goes in at `position`: in the middle, or, where it grows at its end as in an
  // ascending load, so that it stays full.
  static size_t cut_of(size_t position) { return position == kFanout ? kFanout : kFanout / 2; }

  std::optional<Split> insert_into_leaf(Leaf& leaf, const Key& key, Value*& place) {
    const size_t position = leaf_position(leaf, key);
    if (position < leaf.count && !Less{}(key, leaf.keys[position])) {
      place = &leaf.values[position];
      return std::nullopt;
    }
    ++size_;
    if (leaf.count < kFanout) {
      place = &put(leaf, position, key);
      return std::nullopt;
    }
    const size_t cut = cut_of(position);
    auto right = std::make_unique<Leaf>();
    for (size_t i = cut; i < kFanout; ++i) {
      right->keys[i - cut] = std::move(leaf.keys[i]);
      right->values[i - cut] = std::exchange(leaf.values[i], Value());
    }
    right->count = static_cast<uint16_t>(kFanout - cut);
    leaf.count = static_cast<uint16_t>(cut);
    const bool in_right = cut == kFanout || position > cut;
    place = in_right ? &put(*right, position - cut, key) : &put(leaf, position, key);
    Key bound = right->keys[0];
    return Split(std::move(bound), Ref(right.release()));
  }

  static Value& put(Leaf& leaf, size_t position, const Key& key) {
    for (size_t i = leaf.count; i > position; --i) {
      leaf.keys[i] = std::move(leaf.keys[i - 1]);
      leaf.values[i] = std::move(leaf.values[i - 1]);
    }
    ++leaf.count;
    leaf.keys[position] = key;
    return leaf.values[position] = Value();
  }

  // Puts `split` to the right of the child at `position`.
  std::optional<Split> insert_child(Inner& inner, size_t position, Split split) {
    if (inner.count < kFanout) {
      put_child(inner, position, std::move(split));
      return std::nullopt;
    }
    const size_t cut = position + 1 == kFanout ? kFanout - 1 : kFanout / 2;  // children that stay on the left
    auto right = std::make_unique<Inner>();
    Key bound = std::move(inner.keys[cut - 1]);
    for (size_t i = cut; i < kFanout; ++i) right->children[i - cut] = std::move(inner.children[i]);
    for (size_t i = cut; i + 1 < kFanout; ++i) right->keys[i - cut] = std::move(inner.keys[i]);
    right->count = static_cast<uint16_t>(kFanout - cut);
    inner.count = static_cast<uint16_t>(cut);
    if (position < cut)
      put_child(inner, position, std::move(split));
    else
      put_child(*right, position - cut, std::move(split));
    return Split(std::move(bound), Ref(right.release()));
  }

  static void put_child(Inner& inner, size_t position, Split split) {
    for (size_t i = inner.count; i > position + 1; --i) {
      inner.children[i] = std::move(inner.children[i - 1]);
      inner.keys[i - 1] = std::move(inner.keys[i - 2]);
    }
    inner.children[position + 1] = std::move(split.second);
    inner.keys[position] = std::move(split.first);
    ++inner.count;
  }

  template <class K>
  static void remove(Ref& ref, const K& key) {  // the key is there
    if (ref->leaf) {
      Leaf& leaf = own_leaf(ref);
      for (size_t i = leaf_position(leaf, key); i + 1 < leaf.count; ++i) {
        leaf.keys[i] = std::move(leaf.keys[i + 1]);
        leaf.values[i] = std::move(leaf.values[i + 1]);
      }
      --leaf.count;
      leaf.keys[leaf.count] = Key();
      leaf.values[leaf.count] = Value();
      return;
    }
    Inner& inner = own_inner(ref);
    const size_t position = child_position(inner, key);
    remove(inner.children[position], key);
    if (inner.children[position]->count >= kFanout / 4 || inner.count == 1) return;
    level(inner, position > 0 ? position - 1 : 0);
  }

  // Joins the children at `left` and `left + 1`, or shares their entries evenly where one node cannot hold them all.
  static void level(Inner& inner, size_t left) {
    Ref& a = inner.children[left];
    Ref& b = inner.children[left + 1];
    const bool joined = a->leaf ? level_leaves(own_leaf(a), own_leaf(b), inner.keys[left])
                                : level_inners(own_inner(a), own_inner(b), inner.keys[left]);
    if (!joined) return;
    for (size_t i = left + 1; i + 1 < inner.count; ++i) {
      inner.children[i] = std::move(inner.children[i + 1]);
      inner.keys[i - 1] = std::move(inner.keys[i]);
    }
    --inner.count;
    inner.children[inner.count] = Ref();
    inner.keys[inner.count - 1u] = Key();
  }

  static bool level_leaves(Leaf& a, Leaf& b, Key& bound) {
    std::vector<std::pair<Key, Value>> all;
    for (Leaf* leaf : {&a, &b})
      for (size_t i = 0; i < leaf->count; ++i)
        all.emplace_back(std::exchange(leaf->keys[i], Key()), std::exchange(leaf->values[i], Value()));
    const size_t in_a = all.size() <= kFanout ? all.size() : all.size() / 2;
    for (size_t i = 0; i < all.size(); ++i) {
      Leaf& leaf = i < in_a ? a : b;
      leaf.keys[i < in_a ? i : i - in_a] = std::move(all[i].first);
      leaf.values[i < in_a ? i : i - in_a] = std::move(all[i].second);
    }
    a.count = static_cast<uint16_t>(in_a);
    b.count = static_cast<uint16_t>(all.size() - in_a);
    if (b.count == 0) return true;
    bound = b.keys[0];
    return false;
  }

  static bool level_inners(Inner& a, Inner& b, Key& bound) {
    std::vector<Ref> children;
    std::vector<Key> keys;  // between the children
    for (Inner* inner : {&a, &b}) {
      if (inner == &b) keys.push_back(std::move(bound));
      for (size_t i = 0; i < inner->count; ++i) children.push_back(std::move(inner->children[i]));
      for (size_t i = 0; i + 1 < inner->count; ++i) keys.push_back(std::move(inner->keys[i]));
    }
    const size_t in_a = children.size() <= kFanout ? children.size() : children.size() / 2;
    for (size_t i = 0; i < children.size(); ++i)
      (i < in_a ? a.children[i] : b.children[i - in_a]) = std::move(children[i]);
    for (size_t i = 0; i < keys.size(); ++i)
      (i + 1 < in_a ? a.keys[i] : i + 1 == in_a ? bound : b.keys[i - in_a]) = std::move(keys[i]);
    a.count = static_cast<uint16_t>(in_a);
    b.count = static_cast<uint16_t>(children.size() - in_a);
    return b.count == 0;
  }

  Ref root_;
  size_t size_ = 0;

 public:
  // Entries in ascending order of key. Valid until the map it came from is changed or destroyed.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::pair<Key, Value>;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = std::pair<const Key&, const Value&>;

    Iterator() = default;
    reference operator*() const { return {leaf_->keys[position_], leaf_->values[position_]}; }
    Iterator& operator++() {
      if (++position_ == leaf_->count) next_leaf();
      return *this;
    }
    bool operator==(const Iterator& other) const { return leaf_ == other.leaf_ && position_ == other.position_; }

   private:
    friend class PersistentMap;
    static constexpr size_t kDepthMax = 24;  // 4²⁴ entries, the fewest such a tree can hold, are past any memory

    void next_leaf() {
      leaf_ = nullptr;
      position_ = 0;
      while (depth_ > 0) {
        auto& [inner, child] = path_[depth_ - 1];
        if (++child < inner->count) {
          descend(inner->children[child].get());
          return;
        }
        --depth_;
      }
    }
    void descend(const Node* node) {
      while (!node->leaf) {
        push(as_inner(node), 0);
        node = as_inner(node).children[0].get();
      }
      leaf_ = &as_leaf(node);
    }
    void push(const Inner& inner, size_t child) {
      CHECK(depth_ < kDepthMax);
      path_[depth_++] = {&inner, child};
    }

    std::array<std::pair<const Inner*, size_t>, kDepthMax> path_;
    size_t depth_ = 0;
    const Leaf* leaf_ = nullptr;
    size_t position_ = 0;
  };

  Iterator begin() const {
    Iterator first;
    if (root_) first.descend(root_.get());
    return first;
  }
  Iterator end() const { return Iterator(); }

  // The first entry whose key is not below `key`.
  template <class K>
  Iterator lower_bound(const K& key) const {
    Iterator found;
    const Node* node = root_.get();
    if (!node) return found;
    while (!node->leaf) {
      const size_t child = child_position(as_inner(node), key);
      found.push(as_inner(node), child);
      node = as_inner(node).children[child].get();
    }
    found.leaf_ = &as_leaf(node);
    found.position_ = leaf_position(*found.leaf_, key);
    if (found.position_ == found.leaf_->count) found.next_leaf();
    return found;
  }

  // The value at an iterator of this map, to be changed. The map's iterators are not valid afterwards.
  Value& edit(const Iterator& at) {
    Ref* ref = &root_;
    for (size_t i = 0; i < at.depth_; ++i) ref = &own_inner(*ref).children[at.path_[i].second];
    return own_leaf(*ref).values[at.position_];
  }

  // Calls visit(key, before, after) for each key whose values in two maps are not the same, ascending from the first
  // not below `from`, until it returns false: `before` is null where the key is only in `after`, and the other way
  // round. Values are compared by same(before, after), never where both maps share the node that holds them.
  template <class Visit, class Same, class K>
  static void difference(const PersistentMap& before, const PersistentMap& after, Visit visit, Same same,
                         const K& from) {
    compare(Walk(before, from), Walk(after, from), visit, same);
  }
  template <class Visit, class Same = std::equal_to<>>
  static void difference(const PersistentMap& before, const PersistentMap& after, Visit visit, Same same = {}) {
    compare(Walk(before), Walk(after), visit, same);
  }

 private:
  // Steps through a tree by whole subtrees or by entries, as its user chooses. Never changed while it is walked.
  class Walk {
   public:
    explicit Walk(const PersistentMap& map) : node_(map.root_.get()) { measure(); }
    template <class K>
    Walk(const PersistentMap& map, const K& from) : Walk(map) {
      while (node_ && !node_->leaf) enter(child_position(as_inner(node_), from));
      if (!node_) return;
      entry_ = leaf_position(as_leaf(node_), from);
      if (entry_ == node_->count) step_over();
    }

    const Node* node() const { return node_; }               // the subtree that comes next; null at the end
    size_t height() const { return root_height_ - depth_; }  // of that subtree: 0 for a leaf
    size_t entry() const { return entry_; }                  // the next one where the subtree is a leaf
    const Key& key() const { return as_leaf(node_).keys[entry_]; }
    const Value& value() const { return as_leaf(node_).values[entry_]; }

    void enter(size_t child = 0) {
      CHECK(depth_ < kDepthMax);
      path_[depth_++] = {&as_inner(node_), child};
      node_ = as_inner(node_).children[child].get();
    }
    void step_over() {
      entry_ = 0;
      for (node_ = nullptr; depth_ > 0; --depth_) {
        auto& [inner, child] = path_[depth_ - 1];
        if (++child == inner->count) continue;
        node_ = inner->children[child].get();
        return;
      }
    }
    void step() {
      if (++entry_ == node_->count) step_over();
    }

   private:
    static constexpr size_t kDepthMax = Iterator::kDepthMax;

    void measure() {
      for (const Node* node = node_; node && !node->leaf; node = as_inner(node).children[0].get()) ++root_height_;
    }

    const Node* node_;
    size_t root_height_ = 0;
    std::array<std::pair<const Inner*, size_t>, kDepthMax> path_;
    size_t depth_ = 0;
    size_t entry_ = 0;
  };

  // Both walks stand at the same place in the order of keys. The higher subtree is entered until both are leaves, so
  // that a subtree that both share comes next in both at once and is stepped over.
  template <class Visit, class Same>
  static void compare(Walk before, Walk after, Visit& visit, Same& same) {
    while (before.node() && after.node()) {
      if (before.node() == after.node() && before.entry() == after.entry()) {
        before.step_over();
        after.step_over();
      } else if (before.height() > 0 && before.height() >= after.height()) {
        before.enter();
      } else if (after.height() > 0) {
        after.enter();
      } else if (Less{}(before.key(), after.key())) {
        if (!visit(before.key(), &before.value(), static_cast<const Value*>(nullptr))) return;
        before.step();
      } else if (Less{}(after.key(), before.key())) {
        if (!visit(after.key(), static_cast<const Value*>(nullptr), &after.value())) return;
        after.step();
      } else {
        if (!same(before.value(), after.value()) && !visit(before.key(), &before.value(), &after.value())) return;
        before.step();
        after.step();
      }
    }
    while (before.node()) {
      if (before.height() > 0) {
        before.enter();
      } else {
        if (!visit(before.key(), &before.value(), static_cast<const Value*>(nullptr))) return;
        before.step();
      }
    }
    while (after.node()) {
      if (after.height() > 0) {
        after.enter();
      } else {
        if (!visit(after.key(), static_cast<const Value*>(nullptr), &after.value())) return;
        after.step();
      }
    }
  }
};

}  // namespace tandem

#include "gateway/fair_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tandem::gateway {

bool FairQueue::Before::operator()(const Place& a, const Place& b) const {
  return std::tuple(b.priority, a.counter, a.tenant) < std::tuple(a.priority, b.counter, b.tenant);
}

FairQueue::Tenants::iterator FairQueue::find_or_add(std::string_view tenant) {
  const auto found = tenants_.find(tenant);
  if (found != tenants_.end()) return found;
  if (tenants_.size() >= kTenantsMax)
    std::erase_if(tenants_, [](const auto& each) { return each.second.lines.empty(); });
  return tenants_.emplace(std::string(tenant), Tenant{}).first;
}

void FairQueue::arrive(std::string_view name, uint32_t priority, double weight) {
  CHECK(weight > 0);
  Tenant& tenant = find_or_add(name)->second;
  tenant.weight = weight;
  if (!tenant.lines.empty()) return;
  const auto least = order_.lower_bound(Place{priority, 0, {}, nullptr});
  const bool any = least != order_.end() && least->priority == priority;
  tenant.counter = std::max(tenant.counter, any ? least->counter : last_served_);
}

void FairQueue::charge(std::string_view name, double prompt_tokens, double output_tokens) {
  const auto tenant = find_or_add(name);
  const double served = (prompt_tokens + kOutputWeight * output_tokens) / tenant->second.weight;
  move_to(tenant, std::max(0.0, tenant->second.counter + served));
  last_served_ = tenant->second.counter;
}

// Its lines take their places under the new counter.
void FairQueue::move_to(Tenants::iterator tenant, double counter) {
  const double before = std::exchange(tenant->second.counter, counter);
  for (auto& [priority, line] : tenant->second.lines) {
    order_.erase({priority, before, tenant->first, nullptr});
    order_.insert({priority, counter, tenant->first, &line});
  }
}

bool FairQueue::enter(Waiting& waiting) {
  CHECK(!waiting.waits);
  if (size_ >= waiting_max_) {
    if (order_.empty()) return false;
    const Place last = *order_.rbegin();  // of the lowest class, who has had most
    if (last.priority >= waiting.priority) return false;
    Waiting& given_up = *last.line->back();
    remove(given_up);
    given_up.give_way();
  }
  const auto tenant = find_or_add(waiting.tenant);
  Line& line = tenant->second.lines[waiting.priority];
  if (line.empty()) order_.insert({waiting.priority, tenant->second.counter, tenant->first, &line});
  line.push_back(&waiting);
  waiting.waits = true;
  ++groups_[waiting.group];
  ++size_;
  return true;
}

void FairQueue::leave(Waiting& waiting) {
  if (waiting.waits) remove(waiting);
}

void FairQueue::remove(Waiting& waiting) {
  const auto tenant = find_or_add(waiting.tenant);
  const auto line = tenant->second.lines.find(waiting.priority);
  CHECK(line != tenant->second.lines.end());
  std::erase(line->second, &waiting);
  waiting.waits = false;
  if (const auto group = groups_.find(waiting.group); --group->second == 0) groups_.erase(group);
  --size_;
  if (!line->second.empty()) return;
  order_.erase({waiting.priority, tenant->second.counter, tenant->first, nullptr});
  tenant->second.lines.erase(line);
}

size_t FairQueue::ahead_of(const Waiting& waiting) const {
  const auto in_group = [&](const Place& place) {
    return static_cast<size_t>(
        std::ranges::count_if(*place.line, [&](const Waiting* each) { return each->group == waiting.group; }));
  };
  size_t mine = 0;
  for (const Place& place : order_)
    if (place.priority == waiting.priority && place.tenant == waiting.tenant) mine = in_group(place);
  size_t ahead = 0;
  for (const Place& place : order_) {
    if (place.priority < waiting.priority) break;
    const size_t all = in_group(place);
    ahead += place.priority > waiting.priority ? all : std::min(all, place.tenant == waiting.tenant ? mine : mine + 1);
  }
  return ahead;
}

size_t FairQueue::waiting_in(uint64_t group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? 0 : found->second;
}

FairQueue::Waiting* FairQueue::start_one(Line& line, std::vector<const Waiting*>& passed, size_t& looks) {
  // Those of one tenant that wait for the same are mostly let in at the same places: two of them speak for the rest.
  constexpr size_t kFailuresMax = 2;
  std::vector<std::pair<uint64_t, size_t>> failures;
  for (Waiting* waiting : line) {
    if (looks == 0) return nullptr;
    if (std::find(passed.begin(), passed.end(), waiting) != passed.end()) continue;
    auto failed = std::ranges::find(failures, waiting->group, &std::pair<uint64_t, size_t>::first);
    if (failed == failures.end()) failed = failures.insert(failures.end(), {waiting->group, 0});
    if (failed->second == kFailuresMax) continue;
    --looks;
    if (waiting->start()) return waiting;
    ++failed->second;
    passed.push_back(waiting);
  }
  return nullptr;
}

size_t FairQueue::serve(size_t looks_max) {
  // Whoever starts is charged, which moves its places: the order is read anew after each, and those that found no room
  // are passed over.
  size_t started = 0;
  std::vector<const Waiting*> passed;
  for (bool again = true; again && looks_max > 0;) {
    again = false;
    for (const Place& place : order_) {
      Waiting* const one = start_one(*place.line, passed, looks_max);
      if (one != nullptr) {
        remove(*one);
        ++started;
        again = true;
        break;
      }
      if (looks_max == 0) break;
    }
  }
  return started;
}

double FairQueue::counter(std::string_view tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? 0 : found->second.counter;
}

}  // namespace tandem::gateway

#include "log/print.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>

#include "base/counted.h"

namespace tandem::log {

namespace {

namespace pb = google::protobuf;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

Json value_to_json(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolean: return value.boolean();
    case v1::Value::kInteger: return int64_t{value.integer()};
    case v1::Value::kNumber: return value.number();
    case v1::Value::kText: return value.text();
    case v1::Value::kList: {
      Json::Array items;
      for (const v1::Value& item : value.list().items()) items.push_back(value_to_json(item));
      return items;
    }
    case v1::Value::kRecord: {
      Json::Object fields;
      for (const v1::Attribute& field : value.record().fields()) fields[field.name()] = value_to_json(field.value());
      return fields;
    }
    case v1::Value::kSealed: return sealed_to_json(value.sealed().sealed());
    case v1::Value::KIND_NOT_SET: return nullptr;
  }
  return nullptr;
}

Json message_to_json(const pb::Message& message);

// Element `i` of a repeated field; the field itself when i is −1.
Json field_to_json(const pb::Message& message, const pb::FieldDescriptor& field, int i) {
  const pb::Reflection& reflection = *message.GetReflection();
  const auto pick = [&](auto whole, auto element) -> decltype(auto) {
    return i < 0 ? (reflection.*whole)(message, &field) : (reflection.*element)(message, &field, i);
  };
  using R = pb::Reflection;
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32: return int64_t{pick(&R::GetInt32, &R::GetRepeatedInt32)};
    case pb::FieldDescriptor::CPPTYPE_INT64: return int64_t{pick(&R::GetInt64, &R::GetRepeatedInt64)};
    case pb::FieldDescriptor::CPPTYPE_UINT32: return uint64_t{pick(&R::GetUInt32, &R::GetRepeatedUInt32)};
    case pb::FieldDescriptor::CPPTYPE_UINT64: return uint64_t{pick(&R::GetUInt64, &R::GetRepeatedUInt64)};
    case pb::FieldDescriptor::CPPTYPE_DOUBLE: return pick(&R::GetDouble, &R::GetRepeatedDouble);
    case pb::FieldDescriptor::CPPTYPE_FLOAT: return double{pick(&R::GetFloat, &R::GetRepeatedFloat)};
    case pb::FieldDescriptor::CPPTYPE_BOOL: return pick(&R::GetBool, &R::GetRepeatedBool);
    case pb::FieldDescriptor::CPPTYPE_ENUM: return std::string(pick(&R::GetEnum, &R::GetRepeatedEnum)->name());
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = pick(&R::GetString, &R::GetRepeatedString);
      return field.type() == pb::FieldDescriptor::TYPE_BYTES ? hex(text) : text;
    }
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return message_to_json(i < 0 ? reflection.GetMessage(message, &field)
                                   : reflection.GetRepeatedMessage(message, &field, i));
  }
  return nullptr;
}

// Recursion is bounded: Protobuf's parser takes at most 100 levels.
Json message_to_json(const pb::Message& message) {
  if (message.GetDescriptor() == v1::Value::descriptor()) return value_to_json(static_cast<const v1::Value&>(message));
  const pb::Reflection& reflection = *message.GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  Json::Object object;
  for (const pb::FieldDescriptor* field : fields) {
    if (!field->is_repeated()) {
      object[field->name()] = field_to_json(message, *field, -1);
      continue;
    }
    Json::Array items;
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) items.push_back(field_to_json(message, *field, i));
    object[field->name()] = std::move(items);
  }
  return object;
}

// Texts come from outside: one line, of bounded length.
std::string shortened(std::string text, size_t bytes_max) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; }, ' ');
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "…";
}

std::string summary_of(const v1::FactsRecorded& facts) {
  constexpr int kShown = 4;
  std::string text = fmt::format("{} {}:", facts.kind(), facts.id());
  for (int i = 0; i < std::min(kShown, facts.attributes_size()); ++i) {
    const v1::Attribute& attribute = facts.attributes(i);
    text += fmt::format("{} {}={}", i == 0 ? "" : ",", attribute.name(),
                        shortened(to_json(value_to_json(attribute.value())), 40));
  }
  if (facts.attributes_size() > kShown) text += fmt::format(" and {} more", facts.attributes_size() - kShown);
  const char* standing = facts.standing() == v1::STANDING_INTENDED     ? ", intended"
                         : facts.standing() == v1::STANDING_DISCOVERED ? ", discovered"
                                                                       : "";
  return text + fmt::format(" ({}{})", facts.source(), standing);
}

std::string summary_of(const v1::Plan& plan) {
  return fmt::format("{} on {}, {}: {:.2f} EUR/h, bound {:.2f}, {}, {}, {}{}{}", plan.id(), plan.base_offset(),
                     plan.draft()    ? "draft"
                     : plan.mended() ? "quick"
                                     : "whole",
                     plan.cost_eur_per_hour(), plan.bound_eur_per_hour(),
                     counted(plan.deployments_size(), "deployment"), counted(plan.demands_size(), "demand"),
                     counted(plan.moves(), "move"), plan.reason().empty() ? "" : "; ", plan.reason());
}

// A summary is for people: whole seconds.
std::string to_the_second(int64_t at_ns) { return format_rfc3339({at_ns}).substr(0, 19) + "Z"; }

std::string summary_of(const v1::Schedule& schedule) {
  return fmt::format("{}: {}, {:.2f} EUR a day, bound {:.2f}, {}{}{}", schedule.id(),
                     counted(schedule.periods_size(), "period"), schedule.day().eur(), schedule.bound_eur_per_day(),
                     counted(schedule.day().moves(), "move"), schedule.reason().empty() ? "" : "; ", schedule.reason());
}

std::string summary_of(const v1::PeriodBegun& begun) {
  return fmt::format("{}: {}, {}{}", begun.plan_id(), begun.reason(), counted(begun.moves(), "move"),
                     begun.moves_eur() > 0 ? fmt::format(" for {:.2f} EUR", begun.moves_eur()) : "");
}

std::string summary_of(const v1::WindowSealed& window) {
  return fmt::format("{}: {} from {} to {}", window.table(), counted(window.rows(), "row"),
                     to_the_second(window.from_ns()), to_the_second(window.to_ns()));
}

std::string summary_of(const v1::DeploymentsReported& report) {
  const auto failed = std::ranges::count_if(report.deployments(), [](const auto& one) { return !one.error().empty(); });
  return fmt::format("{}: {}, {} with errors", report.plan_id(), counted(report.deployments_size(), "deployment"),
                     failed);
}

std::string summary_of(const v1::BranchCreated& created) {
  return fmt::format("{} on {}{}{}", created.name(), created.parent().empty() ? "main" : created.parent(),
                     created.purpose().empty() ? "" : ": ", created.purpose());
}

std::string summary_of(const v1::BranchEdited& edited) {
  std::string first;
  if (edited.edits_size() > 0) {
    const v1::BranchEdit& edit = edited.edits(0);
    if (edit.has_facts()) first = summary_of(edit.facts());
    if (edit.has_retraction()) first = fmt::format("{} {} removed", edit.retraction().kind(), edit.retraction().id());
    if (edit.has_taken_back())
      first = fmt::format("{} {} taken back", edit.taken_back().kind(), edit.taken_back().id());
    if (edit.has_seen()) first = fmt::format("{} {} settled: ours", edit.seen().kind(), edit.seen().id());
  }
  return fmt::format("{}: {}{}{}", edited.branch(), counted(edited.edits_size(), "edit"),
                     first.empty() ? "" : ", first: ", first);
}

std::string summary_of(const v1::BranchMerged& merged) {
  return fmt::format("{} into {}: {}", merged.name(), merged.parent().empty() ? "main" : merged.parent(),
                     counted(merged.edits(), "edit"));
}

std::string summary_of_body(const Event& event) {
  switch (event.body_case()) {
    case Event::kFactsRecorded: return summary_of(event.facts_recorded());
    case Event::kEntityRetracted:
      return fmt::format("{} {} ({})", event.entity_retracted().kind(), event.entity_retracted().id(),
                         event.entity_retracted().source());
    case Event::kEntityUnseen:
      return fmt::format("{} {} ({})", event.entity_unseen().kind(), event.entity_unseen().id(),
                         event.entity_unseen().source());
    case Event::kPersonalDataErased:
      return fmt::format("{} {}{}{}", event.personal_data_erased().kind(), event.personal_data_erased().id(),
                         event.personal_data_erased().reason().empty() ? "" : ": ",
                         event.personal_data_erased().reason());
    case Event::kHistoryExpired:
      return fmt::format("{}, up to {}", event.history_expired().kind(), event.history_expired().before());
    case Event::kEntitiesSeen:
      return fmt::format("{} of kind {} ({})", event.entities_seen().ids_size(), event.entities_seen().kind(),
                         event.entities_seen().source());
    case Event::kWindowSealed: return summary_of(event.window_sealed());
    case Event::kPlanRequested:
      return fmt::format("{} on {}: {}", event.plan_requested().plan_id(), event.plan_requested().base_offset(),
                         event.plan_requested().reason());
    case Event::kPlanProposed:  // the plan stands whole in the event that accepts it
      return fmt::format("{}: {:.2f} EUR/h, bound {:.2f}, in {:.0f} ms", event.plan_proposed().plan().id(),
                         event.plan_proposed().plan().cost_eur_per_hour(),
                         event.plan_proposed().plan().bound_eur_per_hour(), event.plan_proposed().solve_ms());
    case Event::kPlanAccepted: return summary_of(event.plan_accepted().plan());
    case Event::kPlanRejected:
      return fmt::format("{}: {}{}{}", event.plan_rejected().plan_id(),
                         counted(event.plan_rejected().violations_size(), "violation"),
                         event.plan_rejected().violations_size() > 0 ? ", first: " : "",
                         event.plan_rejected().violations_size() > 0 ? event.plan_rejected().violations(0) : "");
    case Event::kPlanFailed: return fmt::format("{}: {}", event.plan_failed().plan_id(), event.plan_failed().error());
    case Event::kScheduleProposed:  // whole in the event that accepts it
      return fmt::format("{}: {:.2f} EUR a day, in {:.0f} ms", event.schedule_proposed().schedule().id(),
                         event.schedule_proposed().schedule().day().eur(), event.schedule_proposed().solve_ms());
    case Event::kScheduleAccepted: return summary_of(event.schedule_accepted().schedule());
    case Event::kPeriodPrepared:
      return fmt::format("{} of {}: replicas that it adds are started", hours_text(event.period_prepared().hours()),
                         event.period_prepared().schedule_id());
    case Event::kPeriodBegun: return summary_of(event.period_begun());
    case Event::kRoutingTablePublished:
      return fmt::format("{} from {}, valid until {}", event.routing_table_published().plan_id(),
                         event.routing_table_published().from_offset(),
                         to_the_second(event.routing_table_published().valid_until_ns()));
    case Event::kDeploymentsReported: return summary_of(event.deployments_reported());
    case Event::kBranchCreated: return summary_of(event.branch_created());
    case Event::kBranchEdited: return summary_of(event.branch_edited());
    case Event::kBranchRebased: return fmt::format("{} on its parent as it is now", event.branch_rebased().name());
    case Event::kBranchMerged: return summary_of(event.branch_merged());
    case Event::kBranchDiscarded: return fmt::format("{} and its edits", event.branch_discarded().name());
    default:  // of a later version, or one that says it best in full
      return to_json(message_to_json(event));
  }
}

}  // namespace

EventDescription describe(const Event& event) {
  constexpr size_t kSummaryBytesMax = 200;  // a wide terminal's line
  const pb::OneofDescriptor* body = Event::descriptor()->FindOneofByName("body");
  const pb::FieldDescriptor* field = Event::GetReflection()->GetOneofFieldDescriptor(event, body);
  return {field == nullptr ? "none" : field->name(), shortened(summary_of_body(event), kSummaryBytesMax)};
}

Json sealed_to_json(std::string_view sealed) {
  constexpr size_t kShownBytes = 8;  // of its synthetic nonce: two that differ are shown as different
  return Json::Object{{"sealed", hex(sealed.substr(0, kShownBytes))}};
}

std::string hours_text(const v1::PlannedHours& hours) {
  return fmt::format("{}:00 to {}:00 UTC", hours.from_hour(), (hours.from_hour() + hours.hours() - 1) % 24 + 1);
}

Json event_to_json(const Event& event) { return message_to_json(event); }

Json header_to_json(const BatchHeader& header) {
  return Json::Object{{"epoch", header.epoch},
                      {"first", header.first},
                      {"last", header.last()},
                      {"count", header.count},
                      {"at", format_rfc3339(header.at)},
                      {"body_sha256", to_hex(header.body_sha256)},
                      {"previous", to_hex(header.previous)},
                      {"hash", to_hex(header.hash)}};
}

}  // namespace tandem::log

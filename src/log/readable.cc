#include "log/readable.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/text.h"
#include "tandem/v1/event.pb.h"

namespace tandem::log {

namespace {

namespace pb = google::protobuf;

// What matters of a message's schema: which fields are text and which are messages.
struct Shape {
  struct Field {
    bool is_text = false;
    const Shape* message = nullptr;
    std::string_view name;
  };
  std::vector<Field> fields;  // by field number; numbers in our schema are small
};

// The shapes of a message and of all it can hold, made once.
class Shapes {
 public:
  const Shape* of(const pb::Descriptor* descriptor) {
    if (const auto found = by_descriptor_.find(descriptor->full_name()); found != by_descriptor_.end())
      return found->second;
    Shape& shape = shapes_.emplace_back();
    by_descriptor_.emplace(descriptor->full_name(), &shape);
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const pb::FieldDescriptor& field = *descriptor->field(i);
      const auto number = static_cast<size_t>(field.number());
      if (shape.fields.size() <= number) shape.fields.resize(number + 1);
      shape.fields[number].name = field.full_name();
      shape.fields[number].is_text = field.type() == pb::FieldDescriptor::TYPE_STRING;
      if (field.type() == pb::FieldDescriptor::TYPE_MESSAGE) {
        const Shape* message = of(field.message_type());
        shape.fields[number].message = message;
      }
    }
    return &shape;
  }

 private:
  std::deque<Shape> shapes_;  // in place for good
  std::map<std::string, const Shape*> by_descriptor_;
};

inline std::optional<uint64_t> take_varint(std::string_view& in) {
  if (!in.empty() && static_cast<uint8_t>(in.front()) < 0x80) {  // nearly all
    const auto value = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    return value;
  }
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

tl::unexpected<Error> unreadable(std::string what) { return fail(ErrorCode::invalid_argument, std::move(what)); }

Result<void> walk(std::string_view in, const Shape& shape, int depth) {
  if (depth > kNestingMax) return unreadable(fmt::format("a value is nested over {} deep", kNestingMax));
  const auto malformed = [] { return unreadable("an event is not in Protobuf's form"); };
  while (!in.empty()) {
    const auto tag = take_varint(in);
    if (!tag) return malformed();
    const auto type = static_cast<uint32_t>(*tag & 7);
    if (type == 0) {
      if (!take_varint(in)) return malformed();
      continue;
    }
    std::optional<uint64_t> size = type == 1 ? 8 : type == 5 ? 4 : type == 2 ? take_varint(in) : std::nullopt;
    if (!size || *size > in.size()) return malformed();
    const std::string_view content = in.substr(0, *size);
    in.remove_prefix(*size);
    const uint64_t number = *tag >> 3;
    if (type != 2 || number >= shape.fields.size()) continue;  // a number, or a field of a later version
    const Shape::Field& field = shape.fields[number];
    if (field.is_text && !is_utf8(content)) return unreadable(fmt::format("{} is not UTF-8", field.name));
    if (field.message != nullptr) TANDEM_TRY(walk(content, *field.message, depth + 1));
  }
  return {};
}

}  // namespace

Result<void> check_readable(std::string_view event) {
  static Shapes shapes;
  static const Shape* const shape = shapes.of(v1::Event::descriptor());
  return walk(event, *shape, 0);
}

}  // namespace tandem::log

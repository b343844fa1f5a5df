#include "ingest/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "ingest/topology.h"

namespace tandem::ingest {
namespace {

// Latin-1 letters and the signs that stand in place names, as HTML names them (HTML 4.01, section 24).
constexpr std::array<std::pair<std::string_view, uint32_t>, 68> kEntities{{
    {"amp", '&'},     {"lt", '<'},      {"gt", '>'},      {"quot", '"'},    {"apos", '\''},   {"nbsp", ' '},
    {"Agrave", 0xC0}, {"Aacute", 0xC1}, {"Acirc", 0xC2},  {"Atilde", 0xC3}, {"Auml", 0xC4},   {"Aring", 0xC5},
    {"AElig", 0xC6},  {"Ccedil", 0xC7}, {"Egrave", 0xC8}, {"Eacute", 0xC9}, {"Ecirc", 0xCA},  {"Euml", 0xCB},
    {"Igrave", 0xCC}, {"Iacute", 0xCD}, {"Icirc", 0xCE},  {"Iuml", 0xCF},   {"ETH", 0xD0},    {"Ntilde", 0xD1},
    {"Ograve", 0xD2}, {"Oacute", 0xD3}, {"Ocirc", 0xD4},  {"Otilde", 0xD5}, {"Ouml", 0xD6},   {"Oslash", 0xD8},
    {"Ugrave", 0xD9}, {"Uacute", 0xDA}, {"Ucirc", 0xDB},  {"Uuml", 0xDC},   {"Yacute", 0xDD}, {"THORN", 0xDE},
    {"szlig", 0xDF},  {"agrave", 0xE0}, {"aacute", 0xE1}, {"acirc", 0xE2},  {"atilde", 0xE3}, {"auml", 0xE4},
    {"aring", 0xE5},  {"aelig", 0xE6},  {"ccedil", 0xE7}, {"egrave", 0xE8}, {"eacute", 0xE9}, {"ecirc", 0xEA},
    {"euml", 0xEB},   {"igrave", 0xEC}, {"iacute", 0xED}, {"icirc", 0xEE},  {"iuml", 0xEF},   {"eth", 0xF0},
    {"ntilde", 0xF1}, {"ograve", 0xF2}, {"oacute", 0xF3}, {"ocirc", 0xF4},  {"otilde", 0xF5}, {"ouml", 0xF6},
    {"oslash", 0xF8}, {"ugrave", 0xF9}, {"uacute", 0xFA}, {"ucirc", 0xFB},  {"uuml", 0xFC},   {"yacute", 0xFD},
    {"thorn", 0xFE},  {"yuml", 0xFF},
}};

void append_utf8(std::string& out, uint32_t code) {
  const auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6));
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

// The character an entity's name stands for; nothing when it stands for none.
std::optional<uint32_t> entity(std::string_view name) {
  if (name.starts_with('#')) {
    const bool hexadecimal = name.starts_with("#x") || name.starts_with("#X");
    const std::string_view digits = name.substr(hexadecimal ? 2 : 1);
    uint32_t code = 0;
    const auto read = std::from_chars(digits.begin(), digits.end(), code, hexadecimal ? 16 : 10);
    const bool whole = read.ec == std::errc() && read.ptr == digits.end();
    const bool allowed = whole && code >= 0x20 && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    return allowed ? std::optional(code) : std::nullopt;
  }
  const auto found =
      std::find_if(kEntities.begin(), kEntities.end(), [&](const auto& known) { return known.first == name; });
  return found == kEntities.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

void ErrorSink::add(Diagnostic::Severity severity, int line, std::string message, std::string fix) {
  if (added_++ < kErrorsMax) diagnostics_.push_back({severity, file_, line, std::move(message), std::move(fix)});
}

bool small_enough(std::string_view bytes, ErrorSink& errors) {
  if (bytes.size() <= kTopologyBytesMax) return true;
  errors.error(0, fmt::format("the file has {} bytes", bytes.size()),
               fmt::format("at most {} are allowed", kTopologyBytesMax));
  return false;
}

std::string to_utf8(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (const char c : bytes) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

std::string decode_entities(std::string_view text) {
  constexpr size_t kEntityBytesMax = 10;
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t end = text[i] == '&' ? text.substr(i, kEntityBytesMax).find(';') : std::string_view::npos;
    const auto code = end == std::string_view::npos ? std::nullopt : entity(text.substr(i + 1, end - 1));
    if (!code) {
      out += text[i];
      continue;
    }
    append_utf8(out, *code);
    i += end;
  }
  return out;
}

std::string clean_label(std::string_view text) {
  constexpr size_t kLabelBytesMax = 200;
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = std::max<size_t>(1, utf8_sequence_length(rest));
    const bool printable = length > 1 || (rest.front() >= ' ' && rest.front() != 0x7F);
    if (out.size() + length > kLabelBytesMax) break;
    if (printable) out += rest.substr(0, length);
    rest.remove_prefix(length);
  }
  return std::string(trim(out));
}

std::vector<std::string_view> fields(std::string_view line) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < line.size();) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == std::string_view::npos) break;
    const size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    result.push_back(line.substr(at, end - at));
    at = end;
  }
  return result;
}

}  // namespace tandem::ingest

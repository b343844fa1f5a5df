#include "load/request_body.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace tandem::load {
namespace {

constexpr std::string_view kWords =
    "the crew checks each line at dawn and writes down what it finds before the next train leaves the yard with mail "
    "and "
    "grain for towns along the coast where people wait for news of the harvest and of those who went to sea in spring ";

}  // namespace

std::string synthetic_text(uint64_t number, uint32_t tokens) {
  const size_t bytes = size_t{tokens} * 4;
  std::string text = fmt::format("{:x} ", number * 0x9E3779B97F4A7C15u);
  text.reserve(bytes + kWords.size());
  while (text.size() < bytes) text.append(kWords);
  text.resize(bytes);
  return text;
}

http::ClientRequest make_request(const LoadOptions& options, const PlannedRequest& planned,
                                 const std::string& base_path) {
  http::ClientRequest request;
  request.method = "POST";
  request.target = base_path + "/v1/chat/completions";
  request.headers.set("content-type", "application/json");
  if (!options.key.empty()) request.headers.set("authorization", "Bearer " + options.key);
  if (!options.regions.empty()) request.headers.set("x-tandem-region", options.regions[planned.region].name);
  if (options.send_slo) {
    request.headers.set("x-slo-ttft-ms", fmt::format("{}", options.slo_ttft.value()));
    request.headers.set("x-slo-tpot-ms", fmt::format("{}", options.slo_tpot.value()));
  }
  std::string& body = request.body;
  body = R"({"model":)";
  append_json_string(body, options.models[planned.model].name);
  body.append(R"(,"messages":[{"role":"user","content":)");
  append_json_string(body, synthetic_text(planned.number, planned.prompt_tokens));
  body.append(fmt::format(R"(}}],"max_tokens":{})", planned.output_tokens));
  if (options.ignore_eos) body.append(R"(,"ignore_eos":true)");
  if (options.stream) body.append(R"(,"stream":true,"stream_options":{"include_usage":true})");
  body.append("}");
  return request;
}

Result<Target> parse_url(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t path_at = url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  std::string path(path_at == std::string_view::npos ? std::string_view() : url.substr(path_at));
  TANDEM_ASSIGN(http::Endpoint endpoint, http::parse_endpoint(url.substr(0, path_at)));
  while (path.ends_with('/')) path.pop_back();
  if (path.ends_with("/v1")) path.resize(path.size() - 3);
  if (path.find_first_of(" ?#\r\n\t") != std::string::npos)
    return fail(ErrorCode::invalid_argument, fmt::format("the URL '{}' must end with a plain path", url));
  return Target{std::move(endpoint), std::move(path)};
}

}  // namespace tandem::load

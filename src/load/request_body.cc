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

constexpr std::string_view kTlsScheme = "https://";

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
  if (options.slo_ttft) request.headers.set("x-slo-ttft-ms", fmt::format("{}", options.slo_ttft->value()));
  if (options.slo_tpot) request.headers.set("x-slo-tpot-ms", fmt::format("{}", options.slo_tpot->value()));
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
  const bool is_tls = url.starts_with(kTlsScheme);
  std::string authority(url.substr(0, path_at));
  if (is_tls) {
    authority.erase(0, kTlsScheme.size());
    const size_t last = authority.find_last_of(":]");  // of a port, or of an address without one
    if (!authority.empty() && (last == std::string::npos || authority[last] == ']')) authority += ":443";
  }
  TANDEM_ASSIGN(http::Endpoint endpoint, http::parse_endpoint(authority));
  while (path.ends_with('/')) path.pop_back();
  if (path.ends_with("/v1")) path.resize(path.size() - 3);
  if (path.find_first_of(" ?#\r\n\t") != std::string::npos)
    return fail(ErrorCode::invalid_argument, fmt::format("the URL '{}' must end with a plain path", url));
  return Target{std::move(endpoint), std::move(path), is_tls};
}

Result<Target> target_of(const LoadOptions& options) {
  TANDEM_ASSIGN(Target target, parse_url(options.url));
  if (target.is_tls && !options.authorities.empty()) TANDEM_TRY(http::check_authorities(options.authorities));
  return target;
}

http::ClientOptions client_options(const LoadOptions& options, const Target& target) {
  http::ClientOptions client;
  client.idle_per_endpoint_max = client.idle_max = options.outstanding_max;
  if (target.is_tls)
    client.tls =
        http::ClientTls{options.authorities, "name a PEM file of the authority that signed it with --authorities"};
  return client;
}

}  // namespace tandem::load

// Seeded damage to requests, for the tests that throw many of them at a parser.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/random.h"

namespace tandem::http {

inline constexpr std::array<std::string_view, 10> kMutationSeeds{
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/models?a=b&c=%20 HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Type: application/json\r\nContent-Length: "
    "13\r\n\r\n{\"model\":\"m\"}",
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;n=v\r\n world\r\n0\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: t\r\n\r\n00a\r\n0123456789\r\n0\r\nT: "
    "v\r\n\r\n",
    "PUT /x HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
    "HEAD http://a.example/path?q HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    "DELETE /x HTTP/1.1\r\nHost:a\r\nX-Empty:\r\nX-Tab:\t v \t\r\nX-Latin: caf\xe9\r\n\r\n",
    "\r\nOPTIONS /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
};

inline std::string mutate_request(Random& random) {
  // What parsers have disagreed about, and the bytes that end things.
  static constexpr std::array<std::string_view, 28> kPieces{"\r\n",
                                                            "\n",
                                                            "\r",
                                                            " ",
                                                            "\t",
                                                            ":",
                                                            "\r\n ",
                                                            "\r\n\t",
                                                            ";",
                                                            ",",
                                                            "Host: b\r\n",
                                                            "Content-Length: 3\r\n",
                                                            "Content-Length: +3\r\n",
                                                            "Content-Length: 3, 3\r\n",
                                                            "Transfer-Encoding: chunked\r\n",
                                                            "Transfer-Encoding: gzip, chunked\r\n",
                                                            "Transfer-Encoding : chunked\r\n",
                                                            "transfer-encoding:\x0b"
                                                            "chunked\r\n",
                                                            "Connection: close\r\n",
                                                            "HTTP/1.0",
                                                            "HTTP/2.0",
                                                            "0\r\n\r\n",
                                                            "ffffffffffffffff\r\n",
                                                            "0x5\r\n",
                                                            "-1\r\n",
                                                            "\xff\xfe",
                                                            "%00",
                                                            "http://"};
  std::string text(kMutationSeeds[random.below(kMutationSeeds.size())]);
  const uint64_t edits = 1 + random.below(4);
  for (uint64_t i = 0; i < edits && !text.empty(); ++i) {
    const size_t at = random.below(text.size());
    switch (random.below(7)) {
      case 0: text[at] = static_cast<char>(random.below(256)); break;
      case 1: text.erase(at, 1 + random.below(4)); break;
      case 2: text.insert(at, 1, static_cast<char>(random.below(256))); break;
      case 3: text.insert(at, kPieces[random.below(kPieces.size())]); break;
      case 4: text.insert(at, text.substr(at, 1 + random.below(30))); break;
      case 5: text.resize(at); break;
      default: {  // a header line, where header lines are
        const size_t line = text.find("\r\n", at);
        if (line != std::string::npos) text.insert(line + 2, kPieces[random.below(kPieces.size())]);
      }
    }
  }
  return text;
}

}  // namespace tandem::http

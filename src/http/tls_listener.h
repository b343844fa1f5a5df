// The end of TLS in front of a Server: what clients send encrypted reaches it in the clear, over a socket pair within
// the process, with the client's own address. The certificate may be replaced while it serves.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "http/server.h"

namespace tandem::http {

// A certificate with its key, as two PEM files have them. Thread-safe.
class ServerCertificate {
 public:
  // `chain`: the server's own certificate first, then what leads to its authority. Errors: invalid_argument, naming the
  // file and what is wrong with it.
  static Result<std::shared_ptr<ServerCertificate>> load(std::filesystem::path chain, std::filesystem::path key);
  ~ServerCertificate();

  // Reads both anew: handshakes from now on use them, connections go on as they are. Errors: as of `load`; then what
  // was there stays.
  Result<void> reload();
  // The same where either has another time of change than it had at the last look; false: neither has.
  Result<bool> reload_if_changed();
  Instant not_after() const;  // of the certificate in use

  struct Loaded;  // internal to the module
  std::shared_ptr<const Loaded> current() const;

 private:
  struct State;
  explicit ServerCertificate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct TlsListenerOptions {
  std::string address = "127.0.0.1";  // a literal; "::" takes IPv4 too
  uint16_t port = 0;                  // 0: any free one
  bool reuse_port = false;            // several listeners, one per io_context, share one port
  // Two round trips and some arithmetic; whoever takes longer holds a slot that others want.
  Duration handshake_timeout = seconds(10);
  size_t handshakes_max = 1'000;     // at once; ~50 KB each while they last
  Duration look_every = seconds(5);  // at the certificate's files
};

// TLS 1.2 and 1.3, HTTP/1.1 by ALPN. Runs on the thread of its io_context, which must be the server's.
class TlsListener {
 public:
  // `server` must outlive it. Errors: invalid_argument (address), io (cannot bind).
  static Result<std::unique_ptr<TlsListener>> listen(boost::asio::io_context& context, TlsListenerOptions options,
                                                     std::shared_ptr<ServerCertificate> certificate, Server& server);
  ~TlsListener();  // as `close`
  TlsListener(const TlsListener&) = delete;
  TlsListener& operator=(const TlsListener&) = delete;

  uint16_t port() const;
  void close();  // accepts no more; what the server still answers goes out

 private:
  class Impl;
  explicit TlsListener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace tandem::http

#include "http/client.h"

#include "http/client_connection.h"

namespace tandem::http {
namespace asio = boost::asio;

Cancellation::Cancellation() : state_(std::make_shared<State>()) {}

void Cancellation::cancel() {
  state_->cancelled = true;
  if (state_->serving != nullptr) state_->serving->cancel();
}

bool Cancellation::cancelled() const { return state_->cancelled; }

// --- an exchange ---

Exchange::Exchange(std::unique_ptr<ExchangeState> state) : state_(std::move(state)) {}
Exchange::~Exchange() = default;
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&&) noexcept = default;

int Exchange::status() const { return state_->head.status; }
const Headers& Exchange::headers() const { return state_->head.headers; }

// What has come of the body goes behind `body`.
Result<ClientConnection::Got> ExchangeState::take_body(std::string& body) {
  using Got = ClientConnection::Got;
  if (failed) return tl::unexpected(*failed);
  if (!connection) return Got::end;
  auto got = connection->take_body(body);
  if (!got)
    failed = got.error();
  else if (connection->is_complete())
    keep_connection();
  return got;
}

// At the proper end the connection may serve the next request, here already and not when the Exchange is destroyed.
void ExchangeState::keep_connection() {
  const auto kept_by = pool.lock();
  if (kept_by && connection->is_reusable()) kept_by->give(std::move(connection));
  connection.reset();
}

asio::awaitable<Result<std::optional<std::string>>> Exchange::read_some() {
  ExchangeState& state = *state_;
  std::string piece;
  for (;;) {
    const auto got = state.take_body(piece);
    if (!got) co_return tl::unexpected(got.error());
    std::optional<std::string> result;
    if (*got == ClientConnection::Got::bytes) result = std::move(piece);
    if (*got != ClientConnection::Got::nothing) co_return Result<std::optional<std::string>>(std::move(result));
    co_await state.connection->more();
  }
}

asio::awaitable<Result<std::string>> Exchange::read_all(size_t bytes_max) {
  ExchangeState& state = *state_;
  std::string body;
  for (;;) {
    const auto got = state.take_body(body);
    if (!got) co_return tl::unexpected(got.error());
    if (body.size() > bytes_max) {
      cancel();
      co_return fail(ErrorCode::too_large, "the answer is larger than " + std::to_string(bytes_max) + " bytes");
    }
    if (*got == ClientConnection::Got::end) co_return body;
    if (*got == ClientConnection::Got::nothing) co_await state.connection->more();
  }
}

void Exchange::cancel() {
  if (state_->connection) state_->connection->cancel();
}

// --- the client ---

Client::Client(asio::io_context& context, ClientOptions options)
    : pool_(std::make_shared<ClientPool>(context, std::move(options))) {}

Client::~Client() { pool_->close(); }

void Client::close() { pool_->close(); }

size_t Client::idle_connections() const { return pool_->idle(); }

asio::awaitable<Result<Exchange>> Client::send(Endpoint endpoint, ClientRequest request, ClientTimeouts timeouts,
                                               Cancellation cancellation) {
  const auto pool = pool_;  // the client may go while we wait
  auto connection = pool->take(endpoint);
  for (;;) {
    if (cancellation.cancelled()) co_return fail(ErrorCode::unavailable, "cancelled");
    const bool is_kept = connection != nullptr;
    if (!is_kept) connection = pool->make(endpoint);
    connection->attach(cancellation, timeouts);
    if (!is_kept) {
      auto connected = co_await connection->connect();
      if (connected) pool->address_lacks().note_connected(endpoint);
      if (!connected && connection->lacked_address() && pool->address_lacks().note_lack(endpoint))
        connected.error().code = ErrorCode::unavailable;
      if (!connected) co_return tl::unexpected(std::move(connected.error()));
    }
    auto head = co_await connection->send(request);
    if (head) {
      auto state = std::make_unique<ExchangeState>();
      state->head = std::move(*head);
      state->pool = pool;
      state->connection = std::move(connection);
      if (state->connection->is_complete()) state->keep_connection();
      co_return Exchange(std::move(state));
    }
    const bool again = is_kept && head.error().code == ErrorCode::unavailable && connection->was_stale();
    if (!again) co_return tl::unexpected(std::move(head.error()));
    connection.reset();
  }
}

asio::awaitable<Result<Exchange>> Client::send(Endpoint endpoint, ClientRequest request, ClientTimeouts timeouts) {
  return send(std::move(endpoint), std::move(request), timeouts, Cancellation());
}

}  // namespace tandem::http

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
  if (connection->is_reusable()) pool->give(std::move(connection));
  connection.reset();
}

std::optional<Result<std::string>> ExchangeState::take_whole(size_t bytes_max) {
  for (;;) {
    const auto got = take_body(whole);
    if (!got) return tl::unexpected(got.error());
    if (whole.size() > bytes_max) {
      if (connection) connection->cancel();
      return fail(ErrorCode::too_large, "the answer is larger than " + std::to_string(bytes_max) + " bytes");
    }
    if (*got == ClientConnection::Got::end || !connection) return std::move(whole);
    if (*got == ClientConnection::Got::nothing) return std::nullopt;
  }
}

std::optional<Result<std::optional<std::string>>> Exchange::take_some() {
  std::string piece;
  const auto got = state_->take_body(piece);
  if (!got) return tl::unexpected(got.error());
  if (*got == ClientConnection::Got::nothing) return std::nullopt;
  if (*got == ClientConnection::Got::end) return Result<std::optional<std::string>>(std::nullopt);
  return Result<std::optional<std::string>>(std::move(piece));
}

asio::awaitable<Result<std::optional<std::string>>> Exchange::read_some() {
  for (;;) {
    if (auto taken = take_some()) co_return *std::move(taken);
    co_await state_->connection->more();
  }
}

std::optional<Result<std::string>> Exchange::take_all(size_t bytes_max) { return state_->take_whole(bytes_max); }

asio::awaitable<Result<std::string>> Exchange::read_all(size_t bytes_max) {
  for (;;) {
    if (auto taken = state_->take_whole(bytes_max)) co_return *std::move(taken);
    co_await state_->connection->more();
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
  auto pool = pool_;  // the client may go while we wait
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
    Result<bool> sent = connection->begin(request);
    if (sent && !*sent) sent = co_await connection->send_rest();
    Result<std::optional<ResponseHead>> head = std::optional<ResponseHead>();
    if (!sent) head = tl::unexpected(std::move(sent.error()));
    while (head && !*head) {
      head = connection->take_answer(request.method);
      if (head && !*head) co_await connection->more();
    }
    if (head) {
      auto state = std::make_unique<ExchangeState>();
      state->head = std::move(**head);
      state->pool = std::move(pool);
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

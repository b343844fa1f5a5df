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

namespace {

// At the proper end the connection may serve the next request, here already and not when the Exchange is destroyed.
void keep_connection(ExchangeState& state) {
  const auto pool = state.pool.lock();
  if (pool && state.connection->is_reusable()) pool->give(std::move(state.connection));
  state.connection.reset();
}

}  // namespace

asio::awaitable<Result<std::optional<std::string>>> Exchange::read_some() {
  ExchangeState& state = *state_;
  if (state.failed) co_return tl::unexpected(*state.failed);
  if (!state.connection) co_return Result<std::optional<std::string>>(std::optional<std::string>());
  auto piece = co_await state.connection->read_some();
  if (!piece) {
    state.failed = piece.error();
  } else if (state.connection->is_complete()) {
    keep_connection(state);
  }
  co_return piece;
}

asio::awaitable<Result<std::string>> Exchange::read_all(size_t bytes_max) {
  std::string body;
  for (;;) {
    auto piece = co_await read_some();
    if (!piece) co_return tl::unexpected(std::move(piece.error()));
    if (!*piece) co_return body;
    if ((*piece)->size() > bytes_max - body.size()) {
      cancel();
      co_return fail(ErrorCode::too_large, "the answer is larger than " + std::to_string(bytes_max) + " bytes");
    }
    if (body.empty()) {
      body = std::move(**piece);
    } else {
      body.append(**piece);
    }
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
      if (!connected) co_return tl::unexpected(std::move(connected.error()));
    }
    auto head = co_await connection->send(request);
    if (head) {
      auto state = std::make_unique<ExchangeState>();
      state->head = std::move(*head);
      state->pool = pool;
      state->connection = std::move(connection);
      if (state->connection->is_complete()) keep_connection(*state);
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

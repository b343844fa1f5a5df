#include "api/webhook_sender.h"

#include <fmt/format.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/change_feed.h"
#include "api/delivery_position.h"
#include "api/webhook.h"
#include "api/webhook_url.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/logging.h"
#include "http/client.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr size_t kAnswerBytesMax = 64 * 1024;  // of a receiver, read to keep the connection, and dropped
constexpr size_t kReadBytes = 256 * 1024;      // of the log at a time
constexpr size_t kSecretFileBytesMax = 1'024;  // of the file; secrets are shorter
constexpr Duration kIdle = seconds(60);        // looked for events at least this often
constexpr Duration kLogPause = seconds(1);     // before the log is read again after an error of it

// HMAC-SHA256 (RFC 2104).
Digest hmac_sha256(std::string_view key, std::string_view data) {
  Digest digest;
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.bytes.data(), &size) != nullptr &&
        size == digest.bytes.size());
  return digest;
}

}  // namespace

std::string sign_webhook(std::string_view secret, int64_t at_s, std::string_view body) {
  return fmt::format("t={},v1={}", at_s, to_hex(hmac_sha256(secret, fmt::format("{}.{}", at_s, body))));
}

// All but `status` belongs to the sender's thread.
struct WebhookSender::Delivery {
  std::string id;
  Webhook webhook;
  std::string secret;
  std::shared_ptr<LogSignal::Waiter> waiter;
  WebhookAddress address;
  std::unique_ptr<http::Client> client;
  http::Cancellation posting;  // one event at a time
  std::optional<DeliveryPosition> position;
  DeliveryStatus status;

  void stop() {
    waiter->end();
    posting.cancel();
  }
};

Result<std::unique_ptr<WebhookSender>> WebhookSender::open(const log::Log& log, LogSignal& signal, const Clock& clock,
                                                           Metrics& metrics, WebhookSenderOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (!error) std::filesystem::permissions(options.directory, std::filesystem::perms::owner_all, error);
  if (error)
    return fail(ErrorCode::io, fmt::format("'{}' cannot be made: {}", options.directory.string(), error.message()));
  if (!options.authorities.empty()) TANDEM_TRY(http::check_authorities(options.authorities));
  return std::unique_ptr<WebhookSender>(new WebhookSender(log, signal, clock, metrics, std::move(options)));
}

WebhookSender::WebhookSender(const log::Log& log, LogSignal& signal, const Clock& clock, Metrics& metrics,
                             WebhookSenderOptions options)
    : log_(log),
      signal_(signal),
      clock_(clock),
      options_(std::move(options)),
      delivered_(
          metrics.counter("tandem_webhook_delivered_total", "Events that a webhook's receiver has acknowledged.")),
      failed_(metrics.counter("tandem_webhook_failed_attempts_total",
                              "Attempts to deliver an event that were not acknowledged.")),
      work_(context_.get_executor()) {
  thread_ = std::thread([this] { context_.run(); });
}

WebhookSender::~WebhookSender() {
  context_.stop();
  thread_.join();
  deliveries_.clear();  // their sockets and timers end before the context does
}

std::filesystem::path WebhookSender::path_of(const std::string& id, std::string_view extension) const {
  return options_.directory / (id + std::string(extension));  // ids hold nothing that a path would mean
}

Result<void> WebhookSender::keep_secret(const std::string& id, std::string_view secret) {
  TANDEM_TRY(write_file_durably(path_of(id, ".secret"), secret));
  const std::lock_guard lock(mutex_);
  const auto found = deliveries_.find(id);
  if (found == deliveries_.end()) return {};
  asio::post(context_, [delivery = found->second] { delivery->stop(); });
  start(id, Webhook(found->second->webhook));
  return {};
}

void WebhookSender::forget(const std::string& id) { remove_files(id); }

void WebhookSender::remove_files(const std::string& id) {
  std::error_code ignored;
  std::filesystem::remove(path_of(id, ".secret"), ignored);
  std::filesystem::remove(path_of(id, ".position"), ignored);
}

void WebhookSender::remove_strange_files(const std::map<std::string, Webhook>& webhooks) {
  std::error_code error;
  std::vector<std::string> strange;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error))
    if (const std::string id = entry.path().stem().string(); !webhooks.contains(id)) strange.push_back(id);
  for (const std::string& id : strange) remove_files(id);
}

void WebhookSender::follow(const inventory::Snapshot& believed) {
  const log::Offset changed = believed.changed(Webhook::kKind);
  const std::lock_guard lock(mutex_);
  if (followed_ == changed) return;
  const std::map<std::string, Webhook> webhooks = webhooks_of(believed);
  if (!std::exchange(followed_, changed)) remove_strange_files(webhooks);
  for (auto i = deliveries_.begin(); i != deliveries_.end();) {
    const auto webhook = webhooks.find(i->first);
    if (webhook != webhooks.end() && webhook->second == i->second->webhook) {
      ++i;
      continue;
    }
    asio::post(context_, [delivery = i->second] { delivery->stop(); });
    if (webhook == webhooks.end()) asio::post(context_, [this, id = i->first] { remove_files(id); });
    i = deliveries_.erase(i);
  }
  for (const auto& [id, webhook] : webhooks)
    if (!deliveries_.contains(id)) start(id, webhook);
}

void WebhookSender::start(const std::string& id, const Webhook& webhook) {
  auto delivery = std::make_shared<Delivery>();
  delivery->id = id;
  delivery->webhook = webhook;
  delivery->waiter = signal_.join(context_.get_executor());
  delivery->status.delivered = webhook.from - 1;
  deliveries_[id] = delivery;
  asio::co_spawn(context_, run(std::move(delivery)), asio::detached);
}

std::optional<DeliveryStatus> WebhookSender::status(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = deliveries_.find(id);
  return found == deliveries_.end() ? std::nullopt : std::optional(found->second->status);
}

// Where the delivery goes on from, and what it needs to; an error names what is missing.
Result<void> WebhookSender::prepare(Delivery& delivery) {
  TANDEM_ASSIGN(delivery.position, DeliveryPosition::open(path_of(delivery.id, ".position")));
  if (delivery.position->place().placed != delivery.webhook.placed) {
    const DeliveryPosition::Place place{delivery.webhook.placed, delivery.webhook.from - 1};
    TANDEM_TRY(delivery.position->move_to(place, clock_.monotonic()));
    TANDEM_TRY(sync_directory(options_.directory));
  }
  {
    const std::lock_guard lock(mutex_);
    delivery.status.delivered = delivery.position->place().delivered;
  }
  TANDEM_ASSIGN(delivery.address, parse_webhook_url(delivery.webhook.url));
  auto secret = read_file(path_of(delivery.id, ".secret"), kSecretFileBytesMax);
  if (!secret) {
    const std::lock_guard lock(mutex_);
    delivery.status.has_secret = false;
    return fail(ErrorCode::not_found, "its secret is not on this machine; register it again with a new one");
  }
  delivery.secret = std::move(*secret);
  http::ClientOptions talking;
  talking.loopback_only = !delivery.address.is_tls;
  if (delivery.address.is_tls) {
    talking.tls = http::ClientTls{.authorities = options_.authorities,
                                  .remedy = "its authority can be named with `tandem up --webhook-ca FILE`"};
  }
  delivery.client = std::make_unique<http::Client>(context_, std::move(talking));
  return {};
}

void WebhookSender::note(Delivery& delivery, const Result<void>& attempted) {
  (attempted ? delivered_ : failed_).add();
  const std::lock_guard lock(mutex_);
  DeliveryStatus& status = delivery.status;
  status.last_attempt = clock_.now();
  status.failures = attempted ? 0 : status.failures + 1;
  status.last_error = attempted ? std::string() : to_string(attempted.error());
}

// The events up to `offset` are done with.
void WebhookSender::move_to(Delivery& delivery, log::Offset offset) {
  const DeliveryPosition::Place place{delivery.webhook.placed, offset};
  if (auto moved = delivery.position->move_to(place, clock_.monotonic()); !moved)
    log_error("webhook {}: its place is not kept, events may come twice after a restart: {}", delivery.id,
              to_string(moved.error()));
  const std::lock_guard lock(mutex_);
  delivery.status.delivered = offset;
}

asio::awaitable<void> WebhookSender::run(std::shared_ptr<Delivery> delivery) {
  if (auto ready = prepare(*delivery); !ready) {
    log_warning("webhook {} delivers nothing: {}", delivery->id, to_string(ready.error()));
    const std::lock_guard lock(mutex_);
    delivery->status.last_error = to_string(ready.error());
    co_return;
  }
  LogSignal::Waiter& waiter = *delivery->waiter;
  while (!waiter.ended()) {
    const log::Offset next = delivery->position->place().delivered + 1;
    if (!co_await signal_.wait(waiter, next, kIdle)) continue;
    const auto batches = log_.read(next, kReadBytes);
    if (!batches) {
      log_error("webhook {}: the log cannot be read: {}", delivery->id, to_string(batches.error()));
      co_await signal_.wait(waiter, UINT64_MAX, kLogPause);
      continue;
    }
    for (const log::Batch& batch : *batches) {
      if (batch.header.first > signal_.last()) break;  // in the log, and not yet known of
      co_await deliver_batch(*delivery, batch);
    }
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<void> WebhookSender::deliver_batch(Delivery& delivery, const log::Batch& batch) {
  const log::Offset next = delivery.position->place().delivered + 1;
  for (size_t i = 0; i < batch.events.size() && !delivery.waiter->ended(); ++i) {
    const log::Offset offset = batch.header.first + i;
    if (offset < next) continue;
    const auto change = change_json(batch.events[i], offset, batch.header.at, delivery.webhook.kinds);
    if (!change) continue;
    const std::string body = to_json(*change);
    const bool taken = co_await deliver(delivery, offset, body);
    if (taken) move_to(delivery, offset);
  }
  if (!delivery.waiter->ended() && delivery.position->place().delivered < batch.header.last())
    move_to(delivery, batch.header.last());
}

// True once the receiver has it; false where the webhook is no longer wanted.
asio::awaitable<bool> WebhookSender::deliver(Delivery& delivery, log::Offset offset, const std::string& body) {
  Duration pause = options_.retry_first;
  while (!delivery.waiter->ended()) {
    const auto attempted = co_await attempt(delivery, offset, body);
    if (delivery.waiter->ended()) break;
    note(delivery, attempted);
    if (attempted) co_return true;
    co_await signal_.wait(*delivery.waiter, UINT64_MAX, pause);
    pause = std::min(pause * 2, options_.retry_max);
  }
  co_return false;
}

asio::awaitable<Result<void>> WebhookSender::attempt(Delivery& delivery, log::Offset offset, const std::string& body) {
  const std::string id = std::to_string(offset);
  http::ClientRequest request("POST", delivery.address.target, {}, body);
  request.headers.add("content-type", "application/json");
  request.headers.add("user-agent", "tandem");
  request.headers.add("idempotency-key", id);
  request.headers.add("x-tandem-event-id", id);
  request.headers.add("x-tandem-webhook", delivery.id);
  request.headers.add("x-tandem-signature", sign_webhook(delivery.secret, clock_.now().ns / 1'000'000'000, body));
  const http::ClientTimeouts timeouts{options_.timeout, options_.timeout, options_.timeout};
  http::Endpoint receiver(delivery.address.host, delivery.address.port);
  delivery.posting = http::Cancellation();
  auto answer = co_await delivery.client->send(std::move(receiver), std::move(request), timeouts, delivery.posting);
  if (!answer) co_return tl::unexpected(answer.error());
  const int status = answer->status();
  const auto drained = co_await answer->read_all(kAnswerBytesMax);
  if (!drained) co_return tl::unexpected(drained.error());
  if (status >= 200 && status < 300) co_return Result<void>();
  co_return fail(ErrorCode::unavailable, fmt::format("the receiver answered {}", status));
}

}  // namespace tandem::api

#include "base/digest.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace tandem {

namespace {

// Fetched once: by name, each use would take OpenSSL's locks to look it up.
const EVP_MD* algorithm() {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

}  // namespace

struct Hasher::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() { CHECK(evp != nullptr && EVP_DigestInit_ex(evp, algorithm(), nullptr) == 1); }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Hasher::Hasher() : context_(std::make_unique<Context>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(std::string_view data) {
  CHECK(EVP_DigestUpdate(context_->evp, data.data(), data.size()) == 1);
  return *this;
}

Hasher& Hasher::update(uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return update(std::string_view(bytes, sizeof bytes));
}

Digest Hasher::finish() {
  Digest digest;
  CHECK(EVP_DigestFinal_ex(context_->evp, digest.bytes.data(), nullptr) == 1);
  return digest;
}

// With one context a thread: making one costs more than the digest of a few bytes.
Digest sha256(std::string_view data) {
  thread_local const struct Kept {
    EVP_MD_CTX* evp = EVP_MD_CTX_new();
    ~Kept() { EVP_MD_CTX_free(evp); }
  } kept;
  Digest digest;
  CHECK(EVP_DigestInit_ex(kept.evp, algorithm(), nullptr) == 1 &&
        EVP_DigestUpdate(kept.evp, data.data(), data.size()) == 1 &&
        EVP_DigestFinal_ex(kept.evp, digest.bytes.data(), nullptr) == 1);
  return digest;
}

std::string to_hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (const uint8_t byte : digest.bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

Result<Digest> digest_from_hex(std::string_view hex) {
  const auto value = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  Digest digest;
  bool good = hex.size() == 64;
  for (size_t i = 0; good && i < 32; ++i) {
    const int high = value(hex[2 * i]);
    const int low = value(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    digest.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  if (!good) return fail(ErrorCode::invalid_argument, "a SHA-256 digest is 64 lower-case hexadecimal digits");
  return digest;
}

}  // namespace tandem

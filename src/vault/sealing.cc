#include "vault/sealing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

#include "base/check.h"

namespace tandem::vault {
namespace {

constexpr size_t kTagBytes = 16;  // the synthetic nonce, which stands in front

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const EVP_CIPHER* cipher() {
  static const EVP_CIPHER* const siv = EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr);
  CHECK(siv != nullptr);  // part of every OpenSSL from 3.0 on
  return siv;
}

const uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }
uint8_t* bytes_of(std::string& text) { return reinterpret_cast<uint8_t*>(text.data()); }

}  // namespace

Key::~Key() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

Result<Key> random_key() {
  Key key;
  if (RAND_priv_bytes(key.bytes.data(), static_cast<int>(key.bytes.size())) != 1)
    return fail(ErrorCode::io, "the system gives no random bytes for a key");
  return key;
}

std::string seal(const Key& key, std::string_view place, std::string_view plain) {
  CHECK(!place.empty() && !plain.empty());
  std::string sealed(kTagBytes + plain.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  CHECK(context && EVP_EncryptInit_ex2(context.get(), cipher(), key.bytes.data(), nullptr, nullptr) == 1);
  int size = 0;
  CHECK(EVP_EncryptUpdate(context.get(), nullptr, &size, bytes_of(place), static_cast<int>(place.size())) == 1);
  CHECK(EVP_EncryptUpdate(context.get(), bytes_of(sealed) + kTagBytes, &size, bytes_of(plain),
                          static_cast<int>(plain.size())) == 1);
  CHECK(static_cast<size_t>(size) == plain.size());
  int rest = 0;
  CHECK(EVP_EncryptFinal_ex(context.get(), bytes_of(sealed) + kTagBytes + size, &rest) == 1 && rest == 0);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes), sealed.data()) == 1);
  return sealed;
}

std::optional<std::string> open(const Key& key, std::string_view place, std::string_view sealed) {
  constexpr size_t kSealedBytesMax = 64u << 20;  // far above any event
  if (place.empty() || sealed.size() <= kTagBytes || sealed.size() > kSealedBytesMax) return std::nullopt;
  std::string tag(sealed.substr(0, kTagBytes));
  const std::string_view text = sealed.substr(kTagBytes);
  std::string plain(text.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  CHECK(context && EVP_DecryptInit_ex2(context.get(), cipher(), key.bytes.data(), nullptr, nullptr) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1);
  int size = 0;
  CHECK(EVP_DecryptUpdate(context.get(), nullptr, &size, bytes_of(place), static_cast<int>(place.size())) == 1);
  // It is here that the tag is compared.
  if (EVP_DecryptUpdate(context.get(), bytes_of(plain), &size, bytes_of(text), static_cast<int>(text.size())) != 1)
    return std::nullopt;
  int rest = 0;
  if (EVP_DecryptFinal_ex(context.get(), bytes_of(plain) + size, &rest) != 1) return std::nullopt;
  plain.resize(static_cast<size_t>(size + rest));
  return plain;
}

}  // namespace tandem::vault

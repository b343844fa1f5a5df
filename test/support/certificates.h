// Certificates of authorities and servers, made where a test needs them. Its test links OpenSSL.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace tandem::test_support {

template <class T, void (*Free)(T*)>
struct Freeing {
  void operator()(T* it) const { Free(it); }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509, X509_free>>;

// A key and a certificate, signed by itself or by another.
struct Identity {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate{X509_new()};
};

inline void extend(Identity& identity, int what, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  EXPECT_EQ(X509_add_ext(identity.certificate.get(), extension, -1), 1);
  X509_EXTENSION_free(extension);
}

struct Issued {
  std::string names;                   // "DNS:localhost"; empty: of an authority
  long from_s = -3'600, to_s = 3'600;  // from now
};

inline Identity issue(const Issued& issued, const Identity* by = nullptr) {
  static long serial = 0;
  Identity identity;
  X509* certificate = identity.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), issued.from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), issued.to_s);
  X509_set_pubkey(certificate, identity.key.get());
  const std::string name = "tandem test " + std::to_string(serial);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(by ? by->certificate.get() : certificate));
  extend(identity, NID_basic_constraints, issued.names.empty() ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!issued.names.empty()) extend(identity, NID_subject_alt_name, issued.names);
  EXPECT_GT(X509_sign(certificate, by ? by->key.get() : identity.key.get(), EVP_sha256()), 0);
  return identity;
}

inline std::filesystem::path write_certificate(const Identity& identity, std::filesystem::path path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  EXPECT_EQ(PEM_write_X509(file, identity.certificate.get()), 1);
  std::fclose(file);
  return path;
}

inline std::filesystem::path write_key(const Identity& identity, std::filesystem::path path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  EXPECT_EQ(PEM_write_PrivateKey(file, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  std::fclose(file);
  return path;
}

}  // namespace tandem::test_support

// What `signer` and those who need signatures say to each other over the link that qmgr has made
// for them. The keys stay in `signer`; what travels are hashes and signatures.
//
// `signer` speaks first: SignerKeys, once, for its keys never change while it lives. Each
// SignRequest then gets one SignReply with its number, in any order. A link that ends takes its
// requests along.
//
// Each text and each list has a bound here. A frame beyond one is malformed, and ends the link.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/messages.h"

namespace postwain::ipc {

constexpr std::size_t kSignerKeysMax = 10'000;
constexpr std::size_t kSignerNameMax = 255;         // octets of a domain or selector
constexpr std::size_t kSignerHash = 32;             // octets: SHA-256
constexpr std::size_t kSignaturesMax = 16;          // of one request
constexpr std::size_t kSignatureMax = 512;          // octets: RSA of 4096 bits
constexpr std::size_t kSignerTroubleMax = 200;      // octets
constexpr std::size_t kSignRequestsOpenMax = 4096;  // of one link that are not answered yet

enum class SigningAlgorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };
constexpr SigningAlgorithm last_of(SigningAlgorithm) {
  return SigningAlgorithm::ed25519_sha256;
}

// A [[dkim_key]] that signs. Its place in the list is its number in requests.
struct SignerKey {
  std::string domain;  // d= and s=, as they are written
  std::string selector;
  SigningAlgorithm algorithm = SigningAlgorithm::rsa_sha256;
  bool subdomains = true;  // config::DkimKey::subdomains
  bool operator==(const SignerKey&) const = default;
};
struct SignerKeys {
  static constexpr FrameType kType = FrameType::signer_keys;
  std::vector<SignerKey> keys;
};

struct SignRequest {
  static constexpr FrameType kType = FrameType::sign_request;
  struct Part {
    std::uint32_t key = 0;
    std::string hash;  // kSignerHash octets: tls::SigningKey::sign_digest
  };
  std::uint64_t request = 0;  // never repeats while the link lives
  std::vector<Part> parts;    // one at least
};
struct SignReply {
  static constexpr FrameType kType = FrameType::sign_reply;
  std::uint64_t request = 0;
  std::vector<std::string> signatures;  // of the parts, in their order; none with trouble
  std::string trouble;                  // a sentence; empty: it is signed
};

}  // namespace postwain::ipc

// Keys and signed messages for the tests of DKIM.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "common/authentication/dkim/published_key.h"
#include "common/authentication/dkim/sign.h"
#include "common/authentication/dkim/signing_input.h"
#include "common/authentication/dkim/verify.h"
#include "common/base/text.h"
#include "common/tls/signing_key.h"

namespace postwain::authentication::dkim::test {

constexpr std::uint64_t kNowSeconds = 1'800'000'000;
inline const WallTime kNow = from_unix_ms(1'800'000'000'000);

// Made once for all tests.
inline const tls::SigningKey& key_of_kind(tls::KeyKind kind) {
  static std::map<tls::KeyKind, tls::SigningKey> keys;
  auto at = keys.find(kind);
  if (at == keys.end())
    at = keys.emplace(kind, tls::SigningKey::from_pem(*tls::new_private_key(kind)).take()).first;
  return at->second;
}
inline const tls::SigningKey& ed25519() {
  return key_of_kind(tls::KeyKind::ed25519);
}
inline const tls::SigningKey& rsa() {
  return key_of_kind(tls::KeyKind::rsa_2048);
}
inline std::string record_of(const tls::SigningKey& key) {
  return key_record_text(*algorithm_of(key.algorithm()), key.public_key());
}

struct Mail {
  std::string header;
  std::string body;
};
inline Mail plain_mail() {
  return {"From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject:  one\r\n\ttwo \r\n",
          "Hello  you \r\n\r\nend.\r\n\r\n"};
}

// A signature of any shape. Tags as they are to stand there; what is not named has a right value.
struct Shape {
  std::map<std::string, std::string> tags{};  // an empty text: without the tag
  std::string more{};                         // tags behind, ";" in front
  const tls::SigningKey* key = nullptr;       // null: ed25519()
};

inline std::string tag_of(const Shape& shape, const std::string& name, const std::string& usual) {
  auto at = shape.tags.find(name);
  const std::string& value = at != shape.tags.end() ? at->second : usual;
  return value.empty() ? "" : name + "=" + value + "; ";
}

// A DKIM-Signature field with its CRLF, right for the mail but for what the shape asks for.
inline std::string signature_of(const Mail& mail, const Shape& shape) {
  const tls::SigningKey& key = shape.key != nullptr ? *shape.key : ed25519();
  std::string canonical = tag_of(shape, "c", "relaxed/relaxed");
  auto forms = read_forms(canonical.empty() ? "simple/simple"
                                            : canonical.substr(2, canonical.find(';') - 2));
  Forms right = forms.value_or(Forms{Canonical::relaxed, Canonical::relaxed});
  std::string length = tag_of(shape, "l", "");
  std::optional<std::uint64_t> limit;
  if (!length.empty()) limit = read_seconds(length.substr(2, length.find(';') - 2));
  BodyHashes bodies;
  std::size_t body = bodies.want({right.body, limit});
  bodies.take(mail.body);
  bodies.end();
  std::string text = "DKIM-Signature: " + tag_of(shape, "v", "1") +
                     tag_of(shape, "a", std::string(key.algorithm())) + canonical +
                     tag_of(shape, "d", "a.example") + tag_of(shape, "s", "sel") +
                     tag_of(shape, "h", "From:To:Subject") + tag_of(shape, "i", "") + length +
                     tag_of(shape, "q", "") + tag_of(shape, "t", "") + tag_of(shape, "x", "") +
                     tag_of(shape, "bh", base64_encode(bodies.hash(body)));
  std::string own = text + "b=" + shape.more;
  auto h = tag_of(shape, "h", "From:To:Subject");
  std::vector<std::string> names;
  if (!h.empty())
    for (auto name : split(std::string_view(h).substr(2, h.find(';') - 2), ':'))
      names.emplace_back(trim(name));
  HeaderList header(mail.header);
  std::string hash = signing_hash(header, names, right.header, own, std::nullopt);
  auto b = shape.tags.find("b");
  std::string signature = b != shape.tags.end() ? b->second : base64_encode(*key.sign_digest(hash));
  return text + (signature.empty() && b != shape.tags.end() ? "n=-" : "b=" + signature) +
         shape.more + "\r\n";
}

using Zone = std::map<std::string, std::vector<std::string>>;
inline Zone usual_zone() {
  return {{"sel._domainkey.a.example", {record_of(ed25519())}},
          {"rsa._domainkey.a.example", {record_of(rsa())}}};
}

inline DnsAnswer answer_of(const Zone& zone, const std::string& name) {
  auto at = zone.find(name);
  if (at == zone.end()) return {dns::AnswerStatus::no_such_name};
  if (at->second.empty()) return {dns::AnswerStatus::temporary};
  return {dns::AnswerStatus::ok, at->second};
}

inline void answer_all(DkimVerify& verify, const Zone& zone) {
  auto questions = verify.take_questions();
  for (std::size_t i = 0; i < questions.size(); ++i)
    verify.answer(i, answer_of(zone, questions[i].name));
}

inline std::vector<SignatureResult> verified(const Mail& mail, const Zone& zone,
                                             VerifyRules rules = {}) {
  DkimVerify verify(mail.header, "a.example", kNow, rules);
  answer_all(verify, zone);
  verify.body(mail.body);
  verify.end_body();
  REQUIRE(verify.done());
  return verify.results();
}

inline Mail with_signature(const Mail& mail, const Shape& shape) {
  return {signature_of(mail, shape) + mail.header, mail.body};
}

// Result and reason of the first signature.
inline std::string first_of(const Mail& mail, const Zone& zone, VerifyRules rules = {}) {
  auto results = verified(mail, zone, rules);
  REQUIRE_FALSE(results.empty());
  const SignatureResult& one = results.front();
  return std::string(name_of(one.verdict)) + (one.reason.empty() ? "" : ": " + one.reason);
}

}  // namespace postwain::authentication::dkim::test

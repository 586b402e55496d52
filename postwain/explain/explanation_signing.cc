#include "postwain/explain/explanation_signing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/agent/signing/key_choice.h"
#include "smtpd/acceptance/to_sign.h"

namespace postwain::tool {

namespace {

// As `signer` tells them, but for the algorithm, which only the file of the key knows.
std::vector<ipc::SignerKey> keys_that_sign(const config::Config& config) {
  std::vector<ipc::SignerKey> out;
  for (const config::DkimKey& key : config.dkim_keys)
    if (key.signs)
      out.push_back({key.domain, key.selector, ipc::SigningAlgorithm::rsa_sha256, key.subdomains});
  return out;
}

config::Origin origin_of(const config::Config& config, const std::string& record) {
  for (const config::DkimKey& key : config.dkim_keys)
    if (key.record_name() == record) return key.origin;
  return {};
}

// What strangers bring, where it leaves by a route that signs.
void add_seal(Explanation& out, const config::Config& config, const agent::KeyChoice& keys) {
  const config::Authentication& checks = config.authentication;
  if (!checks.wanted || checks.arc.seal == config::ArcSealing::off || !out.route.transport.sign)
    return;
  auto chosen = keys.of_author(checks.arc.seal_domain);
  if (chosen.empty()) return;
  out.bounds.push_back(
      {"sealed", "by " + agent::record_name(chosen.front().facts) + ", unless its chain is broken",
       checks.origin.text()});
}

}  // namespace

void add_signing(Explanation& out, const config::Config& config, const smtpd::Client& client,
                 const mail::Address& sender) {
  if (!config.signs_mail()) return;
  const config::Origin nowhere{};
  auto unsigned_because = [&](std::string why, const config::Origin& origin) {
    out.bounds.push_back({"signed", "not at all: " + std::move(why), origin.text()});
  };
  agent::KeyChoice keys(1, keys_that_sign(config));
  if (smtpd::to_sign(client, nullptr, config::ListenerSign::all) == smtpd::ToSign::no) {
    unsigned_because("mail of strangers is not ours to sign", nowhere);
    return add_seal(out, config, keys);
  }
  if (!out.route.transport.sign)
    return unsigned_because("the route does not sign",
                            config.place_of(out.route.origin.text(), "sign"));
  for (const auto& one : keys.of_author(sender.domain_key()))
    out.signed_by.push_back(agent::record_name(one.facts));
  if (out.signed_by.empty())
    return unsigned_because(
        fmt::format("no [[dkim_key]] is for the author's domain, if that is '{}'",
                    sender.domain_key()),
        nowhere);
  out.bounds.push_back({"signed", fmt::format("by {}", fmt::join(out.signed_by, ", ")),
                        origin_of(config, out.signed_by.front()).text()});
}

}  // namespace postwain::tool

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/daemon/worker.h"
#include "common/exercise/exercises.h"
#include "common/exercise/helper.h"
#include "common/tls/signing_key.h"

namespace postwain::exercise {

namespace {

using Work = std::function<Status()>;
using Keys = std::vector<tls::SigningKey>;

Result<Keys> new_keys() {
  Keys out;
  for (tls::KeyKind kind : {tls::KeyKind::rsa_2048, tls::KeyKind::ed25519}) {
    auto pem = tls::new_private_key(kind);
    if (!pem) return pem.error();
    auto key = tls::SigningKey::from_pem(*pem);
    if (!key) return key.error();
    out.push_back(key.take());
  }
  return out;
}

Status sign_with_all(const Keys& keys) {
  for (const tls::SigningKey& key : keys)
    if (auto signature = key.sign("a text"); !signature) return Status(signature.error());
  return {};
}

Status sign_by_a_thread(net::Loop& loop, const std::shared_ptr<Keys>& keys) {
  daemon::Worker worker(loop, 1);
  Status came = Error{"no thread signs", 0};
  bool taken = worker.run([&came, &loop, keys] {
    return daemon::Worker::Completion([&came, &loop, signed_all = sign_with_all(*keys)] {
      came = signed_all;
      loop.stop();
    });
  });
  if (taken) run_for_a_while(loop);
  return came;
}

}  // namespace

// The keys before anything is given up, as `signer` opens its own.
daemon::Exercise signing() {
  return {"signing", "signing mail", [](const config::Config&) -> Work {
            auto keys = new_keys();
            if (!keys) return [error = keys.error()] { return Status(error); };
            auto loop = std::make_shared<net::Loop>();
            return [loop, owned = std::make_shared<Keys>(keys.take())] {
              return sign_by_a_thread(*loop, owned);
            };
          }};
}

}  // namespace postwain::exercise

// A new key: its selector, its private key, and what is to be published and configured for it.
// Makes no file yet, so that all of it can be checked first.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/config/config_fwd.h"
#include "common/config/table/dkim_key.h"
#include "common/tls/signing_key.h"
#include "postwain/dkim/block_edit.h"
#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

struct NewKeyWish {
  std::string domain;
  std::string selector;  // empty: the first of the day that is free
  tls::KeyKind kind = tls::KeyKind::rsa_2048;
  std::string file;  // empty: dkim/DOMAIN.SELECTOR.pem beside the configuration
  bool subdomains = true;
  bool signs = false;
};

struct NewKey {
  OwnKey key;       // with the path of its file
  std::string pem;  // a secret
  KeyBlock block;
  bool configured = false;  // its table stands in the configuration already: key.entry.origin
};

// "rsa" and "ed25519"; bits: 0 where they are not given. An Error (64) names what there is.
Result<tls::KeyKind> key_kind_of(const std::string& algorithm, int bits);
// Of the same algorithm, and as long at least.
tls::KeyKind kind_like(const OwnKey& key);

// The [[dkim_key]] of that domain and selector, as they are typed; nullptr: there is none.
const config::DkimKey* configured_key(const config::Config& config, const NewKeyWish& wish);

// RSA takes up to seconds. Where a [[dkim_key]] has the selector already, the key is made for that
// table, into the file that it names, and as it says. An Error: 64 for a domain or selector that
// cannot be, or a file other than that of the table; 73 where the file is there already.
Result<NewKey> make_new_key(const config::Config& config, const std::string& main_file,
                            const NewKeyWish& wish, WallTime now);

}  // namespace postwain::tool

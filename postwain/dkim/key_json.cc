#include "postwain/dkim/key_json.h"

#include <string>

#include <nlohmann/json.hpp>

namespace postwain::tool {

nlohmann::ordered_json key_to_json(const OwnKey& key) {
  nlohmann::ordered_json out = {{"domain", key.entry.domain},
                                {"selector", key.entry.selector},
                                {"role", std::string(name_of(key.role))},
                                {"signs", key.entry.signs},
                                {"subdomains", key.entry.subdomains},
                                {"key_file", key.path}};
  if (key.trouble.empty()) {
    bool rsa = key.algorithm == authentication::dkim::Algorithm::rsa_sha256;
    out["algorithm"] = rsa ? "rsa" : "ed25519";
    out["bits"] = key.bits;
    out["record"] = key.record();
    out["publish"] = key.zone_line();
  } else {
    out["trouble"] = key.trouble;
  }
  out["record_name"] = key.record_name();
  if (key.entry.origin.line > 0) {
    out["file"] = key.entry.origin.file;
    out["line"] = key.entry.origin.line;
  }
  return out;
}

}  // namespace postwain::tool

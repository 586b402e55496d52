// New keys become part of the configuration: their files first, then the text that names them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/config/load/bundle.h"
#include "postwain/dkim/new_key.h"

namespace postwain::tool {

// Beside the main file, where keys are added that follow no other.
inline const std::string kAddedKeysFile = "conf.d/dkim.toml";

// Nobody else changes keys of that configuration meanwhile (key_file.h).
Result<UniqueFd> lock_config(const std::string& main_file);

struct AddedKey {
  std::string file;  // of the configuration, where its block goes
  NewKey key;
};

// Checks the whole before it writes anything. The blocks of one file come into it by one rename.
Status add_keys(const config::Loaded& loaded, const std::vector<AddedKey>& added);

// The code of the error where it is one of sysexits.h, else 73: something could not be written.
int exit_code_of(const Error& error);

}  // namespace postwain::tool

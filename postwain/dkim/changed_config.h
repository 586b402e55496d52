// The configuration as it would be with some of its files changed, and whether that is a good one:
// asked before anything is written.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/load/bundle.h"
#include "postwain/dkim/block_edit.h"
#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

// The configuration with all that its files name. An Error: `postwain check` would find mistakes in
// it; the text has a line for each of them, the code is 78.
Result<config::Loaded> load_whole(const std::string& config_file);

// The folder that the main file lies in, with its final slash; empty: the one we are in.
std::string folder_of_config(const std::string& main_file);

struct FileChange {
  std::string path;                   // as the configuration's origins name it
  std::optional<std::string> before;  // nothing: there is no such file yet
  std::string after;
};
using KeyFiles = std::map<std::string, std::string>;  // path as written: content

// What was loaded with the changes, and with files that are about to be there. An Error with the
// first mistake of those that lie in the text alone.
Result<config::Loaded> with_changes(const config::Loaded& loaded,
                                    const std::vector<FileChange>& changes,
                                    const KeyFiles& new_files = {});

// The same, and `postwain check` finds no mistake in it: what is written would start. An Error (78)
// with all mistakes, and what to do where an [[expect]] names other keys.
Result<config::Loaded> with_good_changes(const config::Loaded& loaded,
                                         const std::vector<FileChange>& changes,
                                         const KeyFiles& new_files = {});

// The change that adds the block to a file, or makes the file. The configuration with it has that
// key more and is the same otherwise; else an Error says what to do by hand.
Result<FileChange> adding_change(const config::Loaded& loaded, const std::string& file,
                                 const std::vector<KeyBlock>& blocks, const KeyFiles& new_files);

// The same for keys that begin to sign or cease to: indices of `keys`, which are those of `loaded`
// in its order. All of them stand in that file. names: of keys, in the same file, that change with
// it.
Result<FileChange> signing_change(const config::Loaded& loaded, const std::vector<OwnKey>& keys,
                                  const std::string& file, const std::vector<std::size_t>& begin,
                                  const std::vector<std::size_t>& end,
                                  const std::vector<NameEdit>& names = {});

// The change of names of keys alone.
Result<FileChange> naming_change(const config::Loaded& loaded, const std::string& file,
                                 const std::vector<NameEdit>& names);

}  // namespace postwain::tool

#include "postwain/dkim/adding.h"

#include <algorithm>

#include "common/base/sysexits.h"
#include "postwain/dkim/changed_config.h"
#include "postwain/dkim/key_file.h"

namespace postwain::tool {

namespace {

std::vector<std::string> files_of(const std::vector<AddedKey>& added) {
  std::vector<std::string> out;
  for (const AddedKey& one : added)
    if (std::find(out.begin(), out.end(), one.file) == out.end()) out.push_back(one.file);
  return out;
}

}  // namespace

Result<UniqueFd> lock_config(const std::string& main_file) {
  std::string folder = folder_of_config(main_file);
  return lock_folder(folder.empty() ? "." : folder);
}

Status add_keys(const config::Loaded& loaded, const std::vector<AddedKey>& added) {
  KeyFiles new_files;
  for (const AddedKey& one : added) new_files[one.key.block.key] = one.key.pem;
  std::vector<FileChange> changes;
  config::Loaded state = loaded;
  for (const std::string& file : files_of(added)) {
    std::vector<KeyBlock> blocks;
    for (const AddedKey& one : added)
      if (one.file == file) blocks.push_back(one.key.block);
    auto change = adding_change(state, file, blocks, new_files);
    if (!change) return change.error();
    auto changed = with_good_changes(state, {*change}, new_files);
    if (!changed) return changed.error();
    state = changed.take();
    changes.push_back(change.take());
  }
  for (const AddedKey& one : added)
    if (Status done = write_key_file(one.key.key.path, one.key.pem); !done) return done;
  for (const FileChange& change : changes)
    if (Status done = replace_config_file(change.path, change.before, change.after); !done)
      return done;
  return {};
}

int exit_code_of(const Error& error) {
  return error.code >= kExitUsage && error.code <= kExitConfig ? error.code : int{kExitCantCreate};
}

}  // namespace postwain::tool

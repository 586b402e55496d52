#include "postwain/dkim/changed_config.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "postwain/explain/whole_check.h"

namespace postwain::tool {

namespace {

bool is_same_key(const config::DkimKey& a, const config::DkimKey& b) {
  return a.domain == b.domain && a.selector == b.selector && a.key == b.key &&
         a.subdomains == b.subdomains && a.signs == b.signs;
}

bool are_same_keys(const std::vector<config::DkimKey>& a, const std::vector<config::DkimKey>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), is_same_key);
}

// The text of a file of the configuration; of one that is not included, what is on the disk.
Result<std::optional<std::string>> text_of_file(const config::Loaded& loaded,
                                                const std::string& file) {
  auto known = loaded.bundle.files.find(file);
  if (known != loaded.bundle.files.end()) return std::optional(known->second);
  auto text = read_small_file(file);
  if (text) return std::optional(text.take());
  if (text.error().code == ENOENT) return std::optional<std::string>();
  return text.error();
}

Error not_included(const config::Loaded& loaded, const std::string& file) {
  std::string folder = folder_of_config(loaded.bundle.main_file);
  return Error{fmt::format("{} is no part of the configuration; write at the top of {}: include = "
                           "[\"{}\"]",
                           file, loaded.bundle.main_file,
                           file.compare(0, folder.size(), folder) == 0 ? "conf.d/*.toml" : file),
               kExitConfig};
}

Error by_hand(const std::string& file, const std::string& why, std::string_view block) {
  return Error{fmt::format("{} cannot be changed by this command ({}); write there by hand:\n{}",
                           file, why, block),
               kExitConfig};
}

bool has_key(const config::Config& config, const KeyBlock& block) {
  return std::any_of(config.dkim_keys.begin(), config.dkim_keys.end(),
                     [&](const config::DkimKey& key) {
                       return key.domain == block.domain && key.selector == block.selector &&
                              key.key == block.key && key.signs == block.signs &&
                              key.subdomains == block.subdomains;
                     });
}

// Each with a line end before it.
std::string lines_of(const std::vector<config::Diagnostic>& mistakes) {
  std::string out;
  for (const config::Diagnostic& one : mistakes) out += "\n" + one.text();
  return out;
}

bool expects_keys(const config::Config& config) {
  return std::any_of(config.expects.begin(), config.expects.end(), [](const config::Expect& one) {
    return one.signed_by && !one.signed_by->empty();
  });
}

}  // namespace

Result<config::Loaded> load_whole(const std::string& config_file) {
  config::Loaded loaded = wholly_checked(config_file);
  if (loaded.diagnostics.empty()) return loaded;
  return Error{"the configuration has mistakes:" + lines_of(loaded.diagnostics), kExitConfig};
}

std::string folder_of_config(const std::string& main_file) {
  return main_file.substr(0, main_file.rfind('/') + 1);
}

Result<config::Loaded> with_changes(const config::Loaded& loaded,
                                    const std::vector<FileChange>& changes,
                                    const KeyFiles& new_files) {
  config::Bundle bundle = loaded.bundle;
  for (const FileChange& change : changes) bundle.files[change.path] = change.after;
  for (const auto& [path, content] : new_files) bundle.files[path] = content;
  config::Loaded changed = config::parse(std::move(bundle));
  if (changed.diagnostics.empty()) return changed;
  return Error{changed.diagnostics.front().text(), kExitConfig};
}

Result<config::Loaded> with_good_changes(const config::Loaded& loaded,
                                         const std::vector<FileChange>& changes,
                                         const KeyFiles& new_files) {
  auto changed = with_changes(loaded, changes, new_files);
  if (!changed) return changed;
  config::Loaded judged = wholly_checked(changed.take());
  if (judged.diagnostics.empty()) return judged;
  std::string text = "nothing was changed: `postwain check` would refuse the outcome:" +
                     lines_of(judged.diagnostics);
  if (expects_keys(judged.config))
    text +=
        "\nwhere signed_by of an [[expect]] names a key, write the domain alone: that holds for "
        "whichever of its keys sign";
  return Error{text, kExitConfig};
}

Result<FileChange> adding_change(const config::Loaded& loaded, const std::string& file,
                                 const std::vector<KeyBlock>& blocks, const KeyFiles& new_files) {
  auto before = text_of_file(loaded, file);
  if (!before) return before.error();
  FileChange change{file, *before, before->value_or(std::string())};
  std::string all;
  for (const KeyBlock& block : blocks) {
    std::string text = key_block_text(block);
    all = with_block(all, text);
    change.after = with_block(change.after, text);
  }
  auto changed = with_changes(loaded, {change}, new_files);
  if (!changed) return by_hand(file, changed.error().text, all);
  std::vector<config::DkimKey> others = changed->config.dkim_keys;
  std::erase_if(others, [&](const config::DkimKey& key) {
    return std::any_of(blocks.begin(), blocks.end(), [&](const KeyBlock& block) {
      return key.domain == block.domain && key.selector == block.selector;
    });
  });
  if (!are_same_keys(others, loaded.config.dkim_keys))
    return by_hand(file, "other keys would change with it", all);
  for (const KeyBlock& block : blocks)
    if (!has_key(changed->config, block)) return not_included(loaded, file);
  return change;
}

Result<FileChange> signing_change(const config::Loaded& loaded, const std::vector<OwnKey>& keys,
                                  const std::string& file, const std::vector<std::size_t>& begin,
                                  const std::vector<std::size_t>& end,
                                  const std::vector<NameEdit>& names) {
  std::vector<config::DkimKey> wanted = loaded.config.dkim_keys;
  std::vector<SignsEdit> edits;
  auto edit = [&](std::size_t number, bool signs) {
    edits.push_back({keys[number].entry.origin, keys[number].signs_at, signs});
    wanted[number].signs = signs;
  };
  for (std::size_t number : begin) edit(number, true);
  for (std::size_t number : end) edit(number, false);
  auto text = text_of_file(loaded, file);
  if (!text) return text.error();
  FileChange change{file, *text, {}};
  auto after = with_signs(text->value_or(std::string()), edits, names);
  if (!after) return Error{after.error().text, kExitConfig};
  change.after = after.take();
  auto changed = with_changes(loaded, {change});
  bool good = changed && are_same_keys(changed->config.dkim_keys, wanted);
  if (good) return change;
  std::string what = "write there by hand:";
  for (const SignsEdit& one : edits)
    what += fmt::format("\n{}: signs = {}", one.block.text(), one.signs);
  return Error{
      fmt::format("{} cannot be changed by this command ({}); {}", file,
                  changed ? "other keys would change with it" : changed.error().text, what),
      kExitConfig};
}

Result<FileChange> naming_change(const config::Loaded& loaded, const std::string& file,
                                 const std::vector<NameEdit>& names) {
  auto text = text_of_file(loaded, file);
  if (!text) return text.error();
  auto after = with_signs(text->value_or(std::string()), {}, names);
  if (!after) return Error{after.error().text, kExitConfig};
  return FileChange{file, *text, after.take()};
}

}  // namespace postwain::tool

#include "postwain/dkim/rotation_changes.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "common/base/sysexits.h"
#include "postwain/dkim/rotation_plan.h"
#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kRotationWritesMax = 100;

// A place in signed_by of an [[expect]] that names a key which another one follows.
struct NamedKey {
  std::size_t expect = 0;
  std::size_t place = 0;  // within signed_by
  std::string domain;
  std::string after;  // the record's name of the key that follows

  const config::Origin& at(const config::Config& config) const {
    return config.expects[expect].signed_by_at[place];
  }
  const std::string& now(const config::Config& config) const {
    return (*config.expects[expect].signed_by)[place];
  }
};

// The one key that begins to sign as that one ceases to, with the same algorithm. Null: none, or
// there is a choice.
const OwnKey* follower_of(const std::vector<OwnKey>& keys, const RotationWrite& write,
                          const OwnKey& key) {
  const OwnKey* out = nullptr;
  for (std::size_t number : write.begin) {
    if (keys[number].algorithm != key.algorithm) continue;
    if (out != nullptr) return nullptr;
    out = &keys[number];
  }
  return out;
}

std::vector<NamedKey> named_keys(const config::Config& config, const std::vector<OwnKey>& keys,
                                 const RotationWrite& write) {
  std::vector<NamedKey> out;
  for (std::size_t i = 0; i < config.expects.size(); ++i) {
    if (!config.expects[i].signed_by) continue;
    const std::vector<std::string>& names = *config.expects[i].signed_by;
    for (std::size_t k = 0; k < names.size(); ++k)
      for (std::size_t number : write.end) {
        const OwnKey* next = follower_of(keys, write, keys[number]);
        if (next != nullptr && names[k] == keys[number].record_name())
          out.push_back({i, k, keys[number].entry.domain, next->record_name()});
      }
  }
  return out;
}

// Makes the changes of one write, and takes each of them into the state.
class WriteChanges {
 public:
  WriteChanges(config::Loaded& state, std::vector<FileChange>& out) : state_(state), out_(out) {}

  Status make(const std::vector<OwnKey>& keys, const RotationWrite& write) {
    const std::vector<NamedKey> named = named_keys(state_.config, keys, write);
    std::vector<NamedKey> apart = named;
    std::erase_if(apart,
                  [&](const NamedKey& one) { return one.at(state_.config).file == write.file; });
    if (Status done = rename(apart, [](const NamedKey& one) { return one.domain; }); !done)
      return done;
    std::vector<NameEdit> together;
    for (const NamedKey& one : named)
      if (one.at(state_.config).file == write.file)
        together.push_back({one.at(state_.config), one.now(state_.config), one.after});
    auto change = signing_change(state_, keys, write.file, write.begin, write.end, together);
    if (!change) return change.error();
    if (Status done = take(change.take()); !done) return done;
    return rename(apart, [](const NamedKey& one) { return one.after; });
  }

 private:
  template <class NewName>
  Status rename(const std::vector<NamedKey>& named, NewName new_name) {
    std::set<std::string> files;
    for (const NamedKey& one : named) files.insert(one.at(state_.config).file);
    for (const std::string& file : files) {
      std::vector<NameEdit> edits;
      for (const NamedKey& one : named)
        if (one.at(state_.config).file == file)
          edits.push_back({one.at(state_.config), one.now(state_.config), new_name(one)});
      auto change = naming_change(state_, file, edits);
      if (!change) return change.error();
      if (Status done = take(change.take()); !done) return done;
    }
    return {};
  }

  Status take(FileChange change) {
    auto changed = with_good_changes(state_, {change});
    if (!changed) return changed.error();
    state_ = changed.take();
    out_.push_back(std::move(change));
    return {};
  }

  config::Loaded& state_;
  std::vector<FileChange>& out_;
};

}  // namespace

// The places of tables and names move with each write, so the plan is made anew behind it.
Result<std::vector<FileChange>> rotation_changes(const config::Loaded& loaded,
                                                 const std::string& config_file,
                                                 const std::string& domain) {
  std::vector<FileChange> out;
  config::Loaded state = loaded;
  for (;;) {
    std::vector<OwnKey> keys = read_own_keys(state.config, config_file);
    RotationPlan plan = plan_rotation(keys, domain);
    if (plan.writes.empty()) return out;
    if (out.size() > kRotationWritesMax)
      return Error{"the keys stand in too many files", kExitConfig};
    if (Status done = WriteChanges(state, out).make(keys, plan.writes.front()); !done)
      return done.error();
  }
}

}  // namespace postwain::tool

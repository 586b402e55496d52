#include "postwain/certificate_watch.h"

#include "common/base/file.h"
#include "common/config/section.h"

namespace postwain::tool {

void CertificateWatch::follow(const config::Loaded& loaded) {
  seen_.clear();
  const std::string& main_file = loaded.bundle.main_file;
  directory_ = main_file.substr(0, main_file.rfind('/') + 1);
  for (const config::NamedFile& file : loaded.named_files)
    if (file.use == config::FileUse::certificate || file.use == config::FileUse::key)
      seen_[file.path] = {};
}

std::optional<CertificateWatch::Seen> CertificateWatch::look(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Seen{info.st_dev, info.st_ino, info.st_size,
              std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

// All files are taken together: a certificate whose key is still the old one does not match, and is
// looked at again when the key follows.
std::optional<config::Loaded> CertificateWatch::changed(const config::Loaded& loaded) {
  bool touched = false;
  for (auto& [written, seen] : seen_) {
    auto now = look(config::resolve_path(directory_, written));
    if (!now || *now == seen) continue;
    seen = *now;
    touched = true;
  }
  if (!touched) return std::nullopt;
  std::optional<config::Loaded> out;
  for (const auto& [written, seen] : seen_) {
    auto bytes = read_small_file(config::resolve_path(directory_, written));
    if (!bytes) {
      for (auto& [path, again] : seen_) again = {};
      return std::nullopt;
    }
    auto known = loaded.bundle.files.find(written);
    if (known != loaded.bundle.files.end() && known->second == *bytes) continue;
    if (!out) out = loaded;
    out->bundle.files[written] = bytes.take();
  }
  return out;
}

}  // namespace postwain::tool

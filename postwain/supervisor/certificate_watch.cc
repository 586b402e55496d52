#include "postwain/supervisor/certificate_watch.h"

#include <cerrno>

#include "common/base/file.h"
#include "common/config/section/section.h"
#include "common/tls/tls.h"

namespace postwain::tool {

std::vector<CertificateState> certificate_states(const config::Loaded& loaded) {
  std::vector<CertificateState> out;
  auto add = [&](const std::string& file) {
    auto bytes = loaded.bundle.files.find(file);
    if (bytes == loaded.bundle.files.end()) return;
    auto facts = tls::certificate_facts(bytes->second, loaded.config.hostname);
    if (facts) out.push_back({file, facts->not_after});
  };
  add(loaded.config.tls.certificate);
  for (const config::TlsPair& pair : loaded.config.tls.more) add(pair.certificate);
  return out;
}

void CertificateWatch::follow(const config::Loaded& loaded) {
  seen_.clear();
  trouble_.clear();
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
  if (!trouble_.empty())
    for (auto& [path, again] : seen_) again = {};
  trouble_.clear();
  for (auto& [written, seen] : seen_) {
    std::string path = config::resolve_path(directory_, written);
    auto now = look(path);
    if (!now) trouble_ = system_error(path, errno).text;
    if (!now || *now == seen) continue;
    seen = *now;
    touched = true;
  }
  if (!touched || !trouble_.empty()) return std::nullopt;
  std::optional<config::Loaded> out;
  for (const auto& [written, seen] : seen_) {
    auto bytes = read_small_file(config::resolve_path(directory_, written));
    if (!bytes) {
      trouble_ = bytes.error().text;
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

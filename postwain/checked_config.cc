#include "postwain/checked_config.h"

#include <sys/stat.h>

#include <fmt/format.h>

#include "common/tls/tls.h"

namespace postwain::tool {

namespace {

void check_certificate(config::Loaded& loaded) {
  const config::Tls& tls = loaded.config.tls;
  auto certificate = loaded.bundle.files.find(tls.certificate);
  auto key = loaded.bundle.files.find(tls.key);
  if (certificate == loaded.bundle.files.end() || key == loaded.bundle.files.end()) return;
  auto context = tls::Context::server(certificate->second, key->second);
  if (!context)
    loaded.diagnostics.push_back(config::Diagnostic{
        tls.origin, fmt::format("certificate {} and key {} cannot be used: {}", tls.certificate,
                                tls.key, context.error().text)});
}

void warn_of_open_secrets(config::Loaded& loaded, const std::string& main_file) {
  std::string directory = main_file.substr(0, main_file.rfind('/') + 1);
  for (const config::NamedFile& file : loaded.named_files) {
    bool passwords = file.path == loaded.config.auth.users_file;
    if (file.use != config::FileUse::key && file.use != config::FileUse::credential && !passwords)
      continue;
    std::string path = file.path.front() == '/' ? file.path : directory + file.path;
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0)
      loaded.warnings.push_back(config::Diagnostic{
          config::Origin{path, 0, 0}, "every user of this machine can read this secret"});
  }
}

}  // namespace

config::Loaded load_checked(const std::string& file) {
  config::Loaded loaded = config::load(file);
  if (!loaded.diagnostics.empty()) return loaded;
  check_certificate(loaded);
  warn_of_open_secrets(loaded, file);
  return loaded;
}

}  // namespace postwain::tool

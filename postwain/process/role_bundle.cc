#include "postwain/process/role_bundle.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/daemon/peer_users.h"
#include "postwain/process/group.h"

namespace postwain::tool {

namespace {

bool needs(Kind kind, config::FileUse use) {
  switch (use) {
    case config::FileUse::certificate:
    case config::FileUse::key:
    case config::FileUse::users:
    case config::FileUse::recipients:
      return kind == Kind::smtpd;
    case config::FileUse::credential:
    case config::FileUse::client_certificate:
    case config::FileUse::bounce_text:
    case config::FileUse::database_secret:
      return kind == Kind::qmgr;
    case config::FileUse::addresses:
    case config::FileUse::srs_secret:
      return kind == Kind::smtpd || kind == Kind::qmgr;
    case config::FileUse::signing_key:
      return kind == Kind::reporter;
    case config::FileUse::dkim_key:
      return kind == Kind::signer;
    case config::FileUse::database_roots:
    case config::FileUse::database_certificate:
    case config::FileUse::database_key:
      return kind == Kind::db_link;
  }
  return false;
}

}  // namespace

config::Bundle bundle_for(Kind kind, const config::Loaded& loaded) {
  config::Bundle bundle = loaded.bundle;
  for (const config::NamedFile& file : loaded.named_files) bundle.files.erase(file.path);
  // Put back afterwards, for one file may serve two ends.
  for (const config::NamedFile& file : loaded.named_files) {
    auto found = loaded.bundle.files.find(file.path);
    if (needs(kind, file.use) && found != loaded.bundle.files.end()) bundle.files.insert(*found);
  }
  // qmgr puts the names of those who submit to what they submit, and may open no file. Who is in no
  // file (but in a directory, say) appears by number.
  if (kind == Kind::qmgr) {
    constexpr std::size_t kPasswdMax = 8U << 20;
    Result<std::string> passwd = read_small_file("/etc/passwd", kPasswdMax);
    if (passwd)
      bundle.files[daemon::kLocalUsersFile] = daemon::encode(daemon::local_users(*passwd));
  }
  // Nor does it ask for groups; one that does not exist is a warning of the check.
  daemon::Groups viewers;
  if (kind == Kind::qmgr)
    for (const std::string& name : loaded.config.control.viewers)
      if (Result<gid_t> group = group_id(name)) viewers.insert(*group);
  if (!viewers.empty()) bundle.files[daemon::kViewersFile] = daemon::encode(viewers);
  return bundle;
}

Result<UniqueFd> sealed_bundle(const config::Bundle& bundle) {
  UniqueFd fd(::memfd_create("postwain-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return system_error("memfd_create", errno);
  if (Status written = write_all(fd.get(), config::encode_bundle(bundle)); !written)
    return written.error();
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return system_error("sealing the configuration", errno);
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

}  // namespace postwain::tool

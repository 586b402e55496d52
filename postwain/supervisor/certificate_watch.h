// Notices that certificates, keys or the client_ca on the disk are not those in use any more, as
// happens when a program renews them. Looks at the files' dates, and reads those that changed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "common/base/time.h"
#include "common/config/load/bundle.h"

namespace postwain::tool {

// What a listener shows, and how long it is good for.
struct CertificateState {
  std::string file;
  WallTime not_after{};
};
std::vector<CertificateState> certificate_states(const config::Loaded& loaded);

class CertificateWatch {
 public:
  // From now on the files of this configuration; the first look reads them all.
  void follow(const config::Loaded& loaded);
  // The same configuration with what the files hold now; nothing when that is what it has, or when
  // a file cannot be read at this moment.
  std::optional<config::Loaded> changed(const config::Loaded& loaded);
  // Why the files cannot be read at this moment; empty: they can. What was read last is used on.
  const std::string& trouble() const { return trouble_; }

 private:
  struct Seen {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t modified_ns = 0;
    bool operator==(const Seen&) const = default;
  };
  static std::optional<Seen> look(const std::string& path);

  std::string directory_;
  std::map<std::string, Seen> seen_;  // path as written
  std::string trouble_;
};

}  // namespace postwain::tool

// The processes of the self-test: started as `run` would start them, confined as they would be, for
// one thing each. What they did is returned, nothing is printed.
#pragma once

#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/config/load/bundle.h"
#include "common/sandbox/attempts.h"
#include "postwain/process/error_output.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

// What somebody who has taken the process over would try.
struct Tried {
  Kind kind;
  const sandbox::Attempt* attempt;
  bool succeeded = false;
  bool allowed = false;
  bool good() const { return allowed || !succeeded; }
};

// What the libraries of the process need.
struct Needed {
  Kind kind;
  std::string name;
  std::string what;
  bool works = false;
  std::vector<std::string> refused;  // system calls, by name; what works does so without them
  std::string error;
  bool strict = false;  // a refused call would have ended the process
  bool good() const { return works && (refused.empty() || !strict); }
};

class Examination {
 public:
  // programs: the folder they are in. Before the caller gives anything up himself.
  static ::postwain::Result<Examination> begin(const config::Loaded& loaded,
                                               const Identities& identities, std::string programs);

  ::postwain::Result<std::vector<Tried>> attempts(Kind kind) const;
  ::postwain::Result<std::vector<Needed>> needs(Kind kind) const;

 private:
  struct Ended {
    int status = 0;
    std::string report;
    PrintedLines printed;
  };
  Examination(const config::Loaded& loaded, const Identities& identities, std::string programs)
      : loaded_(&loaded), identities_(&identities), programs_(std::move(programs)) {}
  ::postwain::Result<Ended> run(Kind kind, std::vector<std::string> arguments) const;
  ::postwain::Result<Needed> need(Kind kind, std::string_view name, std::string_view what) const;

  const config::Loaded* loaded_;
  const Identities* identities_;
  std::string programs_;
  std::string abstract_name_;
  UniqueFd abstract_socket_;
};

}  // namespace postwain::tool

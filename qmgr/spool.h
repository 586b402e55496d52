// The spool folder at start: can it be written, whose database is it and is it sound, what has the
// clock done since, which files are left over. All of it before any thread or connection exists.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/config/config_fwd.h"

#include "qmgr/disk/ballast.h"
#include "qmgr/disk/content_files.h"
#include "qmgr/engine.h"
#include "qmgr/verdicts/observed_time.h"

namespace postwain::qmgr {

struct Spool {
  Engine engine;
  ContentFolder files;
  ObservedTime observed;
  Ballast ballast;
};

// Blocks. The error's code is the exit code of the process. A full disk is no error.
Result<Spool> open_spool(const config::Config& config);

}  // namespace postwain::qmgr

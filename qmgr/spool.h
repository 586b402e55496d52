// The spool folder at start: can it be written, whose database is it and is it sound, what has the
// clock done since, which files are left over. All of it before any thread or connection exists.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/config/config_fwd.h"

#include "qmgr/disk/ballast.h"
#include "qmgr/disk/content_files.h"
#include "qmgr/store/queue_store.h"
#include "qmgr/verdicts/observed_time.h"

namespace postwain::qmgr {

struct Spool {
  std::unique_ptr<QueueStore> store;
  ContentFolder files;
  ObservedTime observed;
  Ballast ballast;
  std::string log;  // of the database: its blocks are kept for outcomes (admission.h)
};

// Blocks. The error's code is the exit code of the process. A full disk is no error.
Result<Spool> open_spool(const config::Config& config);

// Of a process that ends for this error of the store: starting again may help, or not (65).
int exit_code_of(const StoreError& error);

}  // namespace postwain::qmgr

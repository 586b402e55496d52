// `queue export` and `queue import`: messages out of a running queue into a folder, and from there
// into a running queue. Two files for each: ID.json (portable.h) and ID.eml, the content.
#pragma once

#include <string>

#include "postwain/client/client_options.h"
#include "postwain/commands/queue_command.h"

namespace postwain::tool {

struct TransferOptions {
  std::string folder;
  bool remove = false;   // export: what was written goes from the queue
  bool hold = false;     // import: all of it is held
  bool dry_run = false;  // import: only look at the files
};

// Leaves what is exported in the queue, unless `remove`; then it is held first, so that nothing is
// delivered from here after it was written.
int export_command(const ClientOptions& options, const QueueFilter& filter,
                   const TransferOptions& transfer);
// A message that is there already (the same id) is not stored twice. Files that are not understood
// are named and left out; then the exit code is 65.
int import_command(const ClientOptions& options, const TransferOptions& transfer);

}  // namespace postwain::tool

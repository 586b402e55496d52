// What each kind of process is for the others: who may be missing, who goes when.
#pragma once

#include <array>

#include "common/config/config.h"
#include "postwain/process/kind.h"

namespace postwain::tool {

// They do their work over links that qmgr makes. At a reload such a process goes when the next one
// can do its work.
constexpr std::array kServingOthers{Kind::filter, Kind::signer};
bool serves_others(Kind kind);
// Whether this configuration has work for one that serves others.
bool is_wanted(Kind kind, const config::Config& config);
// There is one of it at most.
bool is_single(Kind kind);
// Mail does not wait for it.
bool is_beside_the_way(Kind kind);
// Ends before qmgr does.
bool is_worker(Kind kind);
// Uses the way to the database to its end.
bool needs_link(Kind kind);
// Whether db-link finds the database in the same way.
bool same_link(const config::Config& one, const config::Config& other);
// Where a route logs in with what a program prints.
bool runs_commands(const config::Config& config);

}  // namespace postwain::tool

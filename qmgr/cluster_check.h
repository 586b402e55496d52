// What `postwain cluster check` has done by qmgr: looks at the database that [queue] store names,
// before a queue is kept in it or while one is, and prints what is not as it should be.
#pragma once

namespace postwain::qmgr {

// Whether the arguments ask for it: "cluster-check" or "cluster-check-json", and the spool folder.
bool is_cluster_check(int argc, char** argv);

// Standard input is a StoreOrder. A sysexits code; 1 where something has to be put right, 75 where
// the database cannot be asked.
int cluster_check(char** argv);

}  // namespace postwain::qmgr

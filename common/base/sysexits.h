// Exit codes of every command (sysexits.h names, as sendmail(1) and its callers expect).
#pragma once

namespace postwain {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 64,
  kExitDataError = 65,
  kExitNoInput = 66,
  kExitNoUser = 67,
  kExitUnavailable = 69,
  kExitSoftware = 70,
  kExitOsError = 71,
  kExitCantCreate = 73,
  kExitIoError = 74,
  kExitTempFail = 75,
  kExitProtocol = 76,
  kExitNoPermission = 77,
  kExitConfig = 78,
};

}  // namespace postwain

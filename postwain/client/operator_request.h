// A request to the running Postwain: a command of common/ipc/operator_commands.h, and arguments
// that it takes.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "common/ipc/operator_commands.h"

namespace postwain::tool {

class OperatorRequest {
 public:
  explicit OperatorRequest(ipc::OperatorCommand command);
  ~OperatorRequest();
  OperatorRequest(OperatorRequest&&) noexcept;
  OperatorRequest& operator=(OperatorRequest&&) noexcept;

  // To give a command what it does not take is a bug of ours (PW_CHECK).
  OperatorRequest& with(ipc::CommandArgument argument, const nlohmann::ordered_json& value);
  // As it is sent; octets that are no UTF-8 are replaced.
  std::string text() const;

 private:
  ipc::OperatorCommand command_;
  std::unique_ptr<nlohmann::ordered_json> json_;
};

}  // namespace postwain::tool

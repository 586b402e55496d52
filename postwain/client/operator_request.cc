#include "postwain/client/operator_request.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/check.h"

namespace postwain::tool {

using Json = nlohmann::ordered_json;

OperatorRequest::OperatorRequest(ipc::OperatorCommand command)
    : command_(command), json_(std::make_unique<Json>(Json{{"command", ipc::word_of(command)}})) {}

OperatorRequest::~OperatorRequest() = default;
OperatorRequest::OperatorRequest(OperatorRequest&&) noexcept = default;
OperatorRequest& OperatorRequest::operator=(OperatorRequest&&) noexcept = default;

OperatorRequest& OperatorRequest::with(ipc::CommandArgument argument, const Json& value) {
  PW_CHECK(ipc::info_of(command_).arguments.has(argument));
  (*json_)[ipc::name_of(argument)] = value;
  return *this;
}

std::string OperatorRequest::text() const {
  return json_->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace postwain::tool

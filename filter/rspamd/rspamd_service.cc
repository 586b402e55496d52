#include "filter/rspamd/rspamd_service.h"

#include <utility>

#include "filter/rspamd/rspamd_member.h"

namespace postwain::filter {

RspamdService::RspamdService(config::Filter settings)
    : Judge({settings.name, settings.on, settings.on_failure, settings.mode, settings.may}),
      settings_(std::move(settings)) {}

// At MAIL, since a message that cannot be judged is put off there.
std::uint32_t RspamdService::awaited_stages() const {
  std::uint32_t end = bit_of(ipc::FilterStage::end_of_message);
  return watched() ? end : end | bit_of(ipc::FilterStage::mail);
}

std::unique_ptr<ChainMember> RspamdService::make_member(Shared& shared, const SessionFacts& facts,
                                                        MemberOwner& owner) {
  return std::make_unique<RspamdMember>(shared, *this, facts, owner);
}

}  // namespace postwain::filter

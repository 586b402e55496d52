// Frames between our processes, in both directions: the stream is cut into frames, each is decoded
// as what it says it is and, whatever it says, as every other message. What decodes is coded again,
// and leads back to itself; a time that decodes can be shown.
#include <cstdlib>

#include "common/ipc/dmarc_results.h"
#include "common/ipc/filter_messages.h"
#include "common/ipc/filter_report.h"
#include "common/ipc/judgements.h"
#include "common/ipc/messages.h"
#include "common/ipc/refusals.h"
#include "common/ipc/reporter_report.h"
#include "common/ipc/signer_messages.h"
#include "common/ipc/signer_report.h"

using namespace postwain;
using namespace postwain::ipc;

namespace {

template <class Message>
std::string coded(const Message& message) {
  std::string frame;
  if (!append_frame(frame, message)) std::abort();  // it came in a frame
  Frame cut;
  if (next_frame(frame, cut) != FrameState::complete || cut.type != Message::kType) std::abort();
  return std::string(cut.payload);
}

// A second coding is the first: what is not kept (a time out of sense, say) is put right once.
template <class Message>
void look_at(std::string_view payload) {
  Message message;
  if (!decode(payload, message)) return;
  std::string once = coded(message);
  Message again;
  if (!decode(once, again) || coded(again) != once) std::abort();
  if constexpr (requires { message.arrival.received_at; })
    if (format_rfc3339_ms(message.arrival.received_at).size() != 24) std::abort();
}

void look_at_all(std::string_view payload) {
  look_at<Hello>(payload);
  look_at<Welcome>(payload);
  look_at<Submit>(payload);
  look_at<SubmitOpen>(payload);
  look_at<SubmitChunk>(payload);
  look_at<SubmitEnd>(payload);
  look_at<SubmitFinal>(payload);
  look_at<SubmitFile>(payload);
  look_at<SubmitAbort>(payload);
  look_at<QueueImport>(payload);
  look_at<DropOwner>(payload);
  look_at<Decided>(payload);
  look_at<ReceiverCounts>(payload);
  look_at<Refusals>(payload);
  look_at<SubmitResult>(payload);
  look_at<ChunksStored>(payload);
  look_at<Admission>(payload);
  look_at<Probe>(payload);
  look_at<ProbeResult>(payload);
  look_at<Lease>(payload);
  look_at<ContentRequest>(payload);
  look_at<Content>(payload);
  look_at<TokenRequest>(payload);
  look_at<Token>(payload);
  look_at<ConnectionRequest>(payload);
  look_at<ConnectionGrant>(payload);
  look_at<ConnectionEnd>(payload);
  look_at<ConnectionWanted>(payload);
  look_at<Outcomes>(payload);
  look_at<TlsResults>(payload);
  look_at<DmarcResults>(payload);
  look_at<LateOutcomes>(payload);
  look_at<ControlRequest>(payload);
  look_at<ControlReply>(payload);
  look_at<ConfigUpdate>(payload);
  look_at<PeerLink>(payload);
  look_at<FilterSession>(payload);
  look_at<FilterEvent>(payload);
  look_at<FilterHeader>(payload);
  look_at<FilterBody>(payload);
  look_at<FilterAbort>(payload);
  look_at<FilterQuit>(payload);
  look_at<FilterWindow>(payload);
  look_at<FilterWants>(payload);
  look_at<FilterAnswer>(payload);
  look_at<FilterBodyPiece>(payload);
  look_at<FilterResult>(payload);
  look_at<Judged>(payload);
  look_at<Discarded>(payload);
  look_at<FilterReport>(payload);
  look_at<SignerKeys>(payload);
  look_at<SignRequest>(payload);
  look_at<SignReply>(payload);
  look_at<SignerReport>(payload);
  look_at<ReporterReport>(payload);
}

// What lies in the history: what decodes is within its bounds, and is coded as something that does.
void look_at_judgements(std::string_view octets) {
  std::optional<Judgements> judgements = decode_judgements(octets);
  if (!judgements) return;
  std::string again = encode_judgements(judgements->list);
  if (again.size() > kJudgementsMax || !decode_judgements(again)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view stream(reinterpret_cast<const char*>(data), size);
  look_at_all(stream);  // the payload alone, so that few octets reach every decoder
  look_at_judgements(stream);
  for (int frames = 0; frames < 100; ++frames) {
    Frame frame;
    if (next_frame(stream, frame) != FrameState::complete) break;
    if (frame.consumed > stream.size()) std::abort();
    look_at_all(frame.payload);
    stream.remove_prefix(frame.consumed);
  }
  return 0;
}

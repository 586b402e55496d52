#include "common/dns/question.h"

#include <memory>

namespace postwain::dns {

namespace {

// What c-ares gives back with its answer. Taken back, and freed, by the one call of on_answer.
struct Waiting {
  OnAnswer done;
  void* argument;
};

void finish(void* raw, int status, std::string_view message) {
  std::unique_ptr<Waiting> waiting(static_cast<Waiting*>(raw));
  waiting->done(waiting->argument, status, message);
}

}  // namespace

#if ARES_VERSION >= 0x011c00  // 1.28.0

namespace {

struct FreeRecord {
  void operator()(ares_dns_record_t* record) const { ares_dns_record_destroy(record); }
};
using OwnedRecord = std::unique_ptr<ares_dns_record_t, FreeRecord>;

// Our own reader takes what stood on the wire (answer.h): it is the same for every version, is
// fuzzed, and knows what we ask of each record. So the record is written out once more.
void on_record(void* raw, ares_status_t status, size_t, const ares_dns_record_t* record) {
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
  if (record == nullptr || ares_dns_write(record, &bytes, &size) != ARES_SUCCESS) size = 0;
  finish(raw, static_cast<int>(status), {reinterpret_cast<const char*>(bytes), size});
  ares_free_string(bytes);
}

bool add_edns(ares_dns_record_t* record) {
  ares_dns_rr_t* opt = nullptr;
  return ares_dns_record_rr_add(&opt, record, ARES_SECTION_ADDITIONAL, "", ARES_REC_TYPE_OPT,
                                ARES_CLASS_IN, 0) == ARES_SUCCESS &&
         ares_dns_rr_set_u16(opt, ARES_RR_OPT_UDP_SIZE, kUdpMax) == ARES_SUCCESS &&
         ares_dns_rr_set_u8(opt, ARES_RR_OPT_VERSION, 0) == ARES_SUCCESS &&
         ares_dns_rr_set_u16(opt, ARES_RR_OPT_FLAGS, 0) == ARES_SUCCESS;
}

OwnedRecord make_record(const QuestionForm& question) {
  unsigned flags = ARES_FLAG_RD;
  if (question.wants_ad) flags |= ARES_FLAG_AD;
  ares_dns_record_t* raw = nullptr;
  if (ares_dns_record_create(&raw, question.id, static_cast<unsigned short>(flags),
                             ARES_OPCODE_QUERY, ARES_RCODE_NOERROR) != ARES_SUCCESS)
    return nullptr;
  OwnedRecord record(raw);
  auto type = static_cast<ares_dns_rec_type_t>(question.type);
  if (ares_dns_record_query_add(raw, question.name.c_str(), type, ARES_CLASS_IN) != ARES_SUCCESS)
    return nullptr;
  if (question.edns && !add_edns(raw)) return nullptr;
  return record;
}

}  // namespace

void send_question(ares_channel channel, const QuestionForm& question, OnAnswer done,
                   void* argument) {
  OwnedRecord record = is_host_name(question.name) ? make_record(question) : nullptr;
  if (!record) return done(argument, ARES_EBADNAME, {});
  // The callback is called whatever the return value says.
  ares_send_dnsrec(channel, record.get(), &on_record, new Waiting{done, argument}, nullptr);
}

#else

namespace {

void on_bytes(void* raw, int status, int, unsigned char* bytes, int size) {
  std::string_view message;
  if (bytes != nullptr && size > 0)
    message = {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
  finish(raw, status, message);
}

}  // namespace

void send_question(ares_channel channel, const QuestionForm& question, OnAnswer done,
                   void* argument) {
  unsigned char* query = nullptr;
  int size = 0;
  int status = ares_create_query(question.name.c_str(), 1, static_cast<int>(question.type),
                                 question.id, 1, &query, &size, question.edns ? kUdpMax : 0);
  if (status != ARES_SUCCESS) return done(argument, status, {});
  constexpr std::size_t kFlagsByte = 3;  // of the header, RFC 1035 4.1.1
  constexpr unsigned kAd = 0x20;
  if (question.wants_ad) query[kFlagsByte] = static_cast<unsigned char>(query[kFlagsByte] | kAd);
  ares_send(channel, query, size, &on_bytes, new Waiting{done, argument});
  ares_free_string(query);
}

#endif

bool asks_any_name() {
  return ARES_VERSION < 0x011c00;
}

int set_newer_options([[maybe_unused]] ares_options& options) {
  int set = 0;
#ifdef ARES_OPT_QUERY_CACHE
  options.qcache_max_ttl = 0;
  set |= ARES_OPT_QUERY_CACHE;
#endif
#ifdef ARES_OPT_UDP_MAX_QUERIES  // 1.20.0
  // Each question from a port of its own: a forger has to guess that as well as the id.
  options.udp_max_queries = 1;
  set |= ARES_OPT_UDP_MAX_QUERIES;
#endif
  return set;
}

}  // namespace postwain::dns

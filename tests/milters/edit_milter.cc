// A filter on Sendmail's libmilter that does to a message what the message itself asks for, so that
// two mail servers can be given the same filter and the same message. Every field
//     X-Edit: WORD ARGUMENTS
// is one call at the end of the message, in the order of the fields:
//     add NAME VALUE              insert INDEX NAME VALUE      change INDEX NAME VALUE
//     delete INDEX NAME           body TEXT                    addrcpt ADDRESS [ARGUMENTS]
//     delrcpt ADDRESS             from ADDRESS [ARGUMENTS]     quarantine TEXT
//     progress                    reply CODE ENHANCED TEXT     and the verdicts of kVerdicts
// %XY in VALUE, NAME and TEXT is an octet in hexadecimal digits.
//
//     edit_milter inet:PORT@127.0.0.1 FILE
// FILE gets a line for each thing the filter is told. With a third word it is a filter that wants
// the white space in front of values as it stands.
#include <libmilter/mfapi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr std::pair<std::string_view, sfsistat> kVerdicts[] = {{"accept", SMFIS_ACCEPT},
                                                               {"reject", SMFIS_REJECT},
                                                               {"tempfail", SMFIS_TEMPFAIL},
                                                               {"discard", SMFIS_DISCARD}};

struct Message {
  std::vector<std::string> edits;
  std::size_t body = 0;
  unsigned sum = 0;  // of the octets of the body, each by its place
};

std::FILE* told = nullptr;
std::mutex told_mutex;

void tell(std::string text) {
  for (char& c : text)
    if (c == '\n') c = '|';
  std::lock_guard guard(told_mutex);
  std::fprintf(told, "%s\n", text.c_str());
  std::fflush(told);
}

std::string joined(char** words) {
  std::string text;
  for (; *words; ++words) text.append(" ").append(*words);
  return text;
}

Message& message_of(SMFICTX* context) {
  auto* message = static_cast<Message*>(smfi_getpriv(context));
  if (!message) smfi_setpriv(context, message = new Message);
  return *message;
}

void forget(SMFICTX* context) {
  delete static_cast<Message*>(smfi_getpriv(context));
  smfi_setpriv(context, nullptr);
}

std::string decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      plain += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// What stands behind the words that were read.
std::string rest_of(std::istringstream& words) {
  std::string text;
  std::getline(words >> std::ws, text);
  return text;
}

char* raw(std::string& text) {
  return text.data();
}

// The result of libmilter: MI_SUCCESS, or MI_FAILURE for what the server did not grant.
int edit_header(SMFICTX* context, std::string_view word, std::istringstream& words) {
  int index = 0;
  if (word != "add") words >> index;
  std::string name;
  words >> name;
  name = decoded(name);
  std::string value = decoded(rest_of(words));
  if (word == "add") return smfi_addheader(context, raw(name), raw(value));
  if (word == "insert") return smfi_insheader(context, index, raw(name), raw(value));
  return smfi_chgheader(context, raw(name), index, word == "delete" ? nullptr : raw(value));
}

int edit_envelope(SMFICTX* context, std::string_view word, std::istringstream& words) {
  std::string address;
  words >> address;
  std::string arguments = rest_of(words);
  if (word == "delrcpt") return smfi_delrcpt(context, raw(address));
  if (word == "from")
    return smfi_chgfrom(context, raw(address), arguments.empty() ? nullptr : raw(arguments));
  if (arguments.empty()) return smfi_addrcpt(context, raw(address));
  return smfi_addrcpt_par(context, raw(address), raw(arguments));
}

// Does one edit; SMFIS_CONTINUE unless it is a verdict.
sfsistat edit(SMFICTX* context, const std::string& text) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  for (auto [name, verdict] : kVerdicts)
    if (word == name) return verdict;
  int done = MI_SUCCESS;
  if (word == "reply") {
    std::string code, enhanced;
    words >> code >> enhanced;
    std::string line = rest_of(words);
    done = smfi_setreply(context, raw(code), raw(enhanced), raw(line));
    tell("did " + word + " " + std::to_string(done));
    return code[0] == '4' ? SMFIS_TEMPFAIL : SMFIS_REJECT;
  }
  if (word == "body") {
    std::string body = decoded(rest_of(words));
    done = smfi_replacebody(context, reinterpret_cast<unsigned char*>(body.data()),
                            static_cast<int>(body.size()));
  } else if (word == "quarantine") {
    std::string reason = rest_of(words);
    done = smfi_quarantine(context, raw(reason));
  } else if (word == "progress") {
    done = smfi_progress(context);
  } else if (word == "addrcpt" || word == "delrcpt" || word == "from") {
    done = edit_envelope(context, word, words);
  } else {
    done = edit_header(context, word, words);
  }
  tell("did " + word + " " + std::to_string(done));
  return SMFIS_CONTINUE;
}

sfsistat on_connect(SMFICTX*, char* name, _SOCK_ADDR*) {
  tell(std::string("connect ") + name);
  return SMFIS_CONTINUE;
}

sfsistat on_helo(SMFICTX*, char* name) {
  tell(std::string("helo ") + name);
  return SMFIS_CONTINUE;
}

sfsistat on_mail(SMFICTX* context, char** words) {
  forget(context);
  tell("mail" + joined(words));
  return SMFIS_CONTINUE;
}

sfsistat on_rcpt(SMFICTX*, char** words) {
  tell("rcpt" + joined(words));
  return SMFIS_CONTINUE;
}

sfsistat on_data(SMFICTX* context) {
  char name[] = "i";
  tell(std::string("data") + (smfi_getsymval(context, name) ? " with id" : " without id"));
  return SMFIS_CONTINUE;
}

sfsistat on_header(SMFICTX* context, char* name, char* value) {
  tell(std::string("header ") + name + ":" + value);
  std::string_view text = value;
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  if (std::strcmp(name, "X-Edit") == 0) message_of(context).edits.emplace_back(text);
  return SMFIS_CONTINUE;
}

sfsistat on_header_end(SMFICTX*) {
  tell("end of header");
  return SMFIS_CONTINUE;
}

sfsistat on_body(SMFICTX* context, unsigned char* text, std::size_t size) {
  Message& message = message_of(context);
  for (std::size_t i = 0; i < size; ++i)
    message.sum += static_cast<unsigned>(++message.body) * text[i];
  return SMFIS_CONTINUE;
}

// What mail authentication has found, where the server says so.
void tell_results(SMFICTX* context) {
  for (std::string name :
       {"{spf_result}", "{dkim_result}", "{dmarc_result}", "{arc_result}", "{auth_authres}"})
    if (const char* value = smfi_getsymval(context, name.data())) tell(name + " " + value);
}

sfsistat on_end(SMFICTX* context) {
  Message& message = message_of(context);
  tell("end " + std::to_string(message.body) + " " + std::to_string(message.sum));
  tell_results(context);
  sfsistat verdict = SMFIS_CONTINUE;
  for (const std::string& text : message.edits)
    if (verdict == SMFIS_CONTINUE) verdict = edit(context, text);
  forget(context);
  return verdict;
}

sfsistat on_abort(SMFICTX* context) {
  forget(context);
  tell("abort");
  return SMFIS_CONTINUE;
}

sfsistat on_close(SMFICTX* context) {
  forget(context);
  return SMFIS_CONTINUE;
}

sfsistat on_negotiate_leading_space(SMFICTX*, unsigned long, unsigned long f1, unsigned long,
                                    unsigned long, unsigned long* actions, unsigned long* steps,
                                    unsigned long* f2, unsigned long* f3) {
  *actions = SMFI_CURR_ACTS;
  *steps = f1 & SMFIP_HDR_LEADSPC;
  *f2 = *f3 = 0;
  return SMFIS_CONTINUE;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3 || !(told = std::fopen(words[2], "a"))) return EXIT_FAILURE;
  char name[] = "edit_milter";
  smfiDesc filter{};
  filter.xxfi_name = name;
  filter.xxfi_version = SMFI_VERSION;
  filter.xxfi_flags = SMFI_CURR_ACTS;
  filter.xxfi_connect = on_connect;
  filter.xxfi_helo = on_helo;
  filter.xxfi_envfrom = on_mail;
  filter.xxfi_envrcpt = on_rcpt;
  filter.xxfi_data = on_data;
  filter.xxfi_header = on_header;
  filter.xxfi_eoh = on_header_end;
  filter.xxfi_body = on_body;
  filter.xxfi_eom = on_end;
  filter.xxfi_abort = on_abort;
  filter.xxfi_close = on_close;
  if (count > 3) filter.xxfi_negotiate = on_negotiate_leading_space;
  if (smfi_setconn(words[1]) != MI_SUCCESS || smfi_register(filter) != MI_SUCCESS)
    return EXIT_FAILURE;
  return smfi_main() == MI_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}

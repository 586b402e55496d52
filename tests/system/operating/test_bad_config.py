"""Each mistake in the configuration is reported with file, line and column, and nothing starts.

In the texts below «» encloses the key or value that is wrong; the reported column must be the
beginning of one such place, or of the line it stands in.
"""

import os
import re

from postwain_harness import PostwainTestCase, main
from resources import listening

HEAD = """hostname = "mx.postwain.test"
spool_dir = "SPOOL"
runtime_dir = "RUN"
[[listener]]
address = "127.0.0.1:PORT"
"""

MISTAKES = {
    "not TOML": "hostname = «",
    "string not closed": 'hostname = «"mx.example.org',
    "key twice": 'hostname = "a.test"\n«hostname» = «"b.test"»',
    "unknown key": '«hostnmae» = "mx.example.org"',
    "unknown table": '[«lisener»]\naddress = "x"',
    "unknown key in a table": "[limits]\n«message_sise» = 5",
    "unknown key in a list of tables": '[[route]]\nmatch = "a.test"\n«delivr» = "mx"',
    "text for a number": '[limits]\n«recipients» = «"many"»',
    "number for a text": "«hostname» = «5»",
    "table for a text": "«hostname» = «{ a = 1 }»",
    "number too small": "[limits]\n«recipients» = «0»",
    "negative number": "[limits]\n«connections» = «-5»",
    "bad duration": '[limits]\n«command_timeout» = «"5 fortnights"»',
    "duration without a unit": '[queue]\n«lifetime» = «"5"»',
    "bad duration in a list": '[queue]\n«retry» = «["1m", «"soon"»]',
    "empty retry list": "[queue]\n«retry» = «[]»",
    "bad size": '[limits]\n«message_size» = «"huge"»',
    "jitter too large": "[queue]\n«jitter» = «7.5»",
    "listener without an address": '«[[listener]]»\nprotocol = "smtp"',
    "listener address without a port": '[[listener]]\n«address» = «"127.0.0.1"»',
    "listener port too large": '[[listener]]\n«address» = «"127.0.0.1:70000"»',
    "unknown protocol": '[[listener]]\naddress = "127.0.0.1:2526"\n«protocol» = «"pop3"»',
    "unknown TLS level": '[[listener]]\naddress = "127.0.0.1:2526"\n«tls» = «"maybe"»',
    "bad network": '[access]\n«trusted_networks» = [«"10.0.0.0/40"»]',
    "bad network text": '[access]\n«trusted_networks» = [«"127.0.0.1"», «"here"»]',
    "bad domain": '[[domain]]\n«name» = «"ex ample.org"»',
    "domain without a name": '«[[domain]]»\nrecipients = "any"',
    "unknown recipients word": '[[domain]]\nname = "a.test"\n«recipients» = «"some"»',
    "missing recipients file":
        '[[domain]]\nname = "a.test"\n«recipients» = «"file:/nonexistent/users"»',
    "route without a match": '«[[route]]»\ndeliver = "mx"',
    "route without a target": '«[[route]]»\nmatch = "*"',
    "unknown delivery": '[[route]]\nmatch = "*"\n«deliver» = «"uucp:host"»',
    "target without a host": '[[route]]\nmatch = "*"\n«deliver» = «"smtp:"»',
    "target port is no number": '[[route]]\nmatch = "*"\n«deliver» = «"smtp:host:smtp2"»',
    "missing certificate":
        '[tls]\n«certificate» = «"/nonexistent/c"»\n«key» = «"/nonexistent/k"»',
    "STARTTLS without a certificate":
        '[[listener]]\naddress = "127.0.0.1:2526"\n«tls» = «"required"»',
    "bad log level": '[log]\n«level» = «"chatty"»',
    "bad DNS server": '[dns]\n«servers» = [«"not an address"»]',
    "bad port for deliveries": "[delivery]\n«smtp_port» = «99999»",
    "missing include": "include = [«\"/nonexistent/postwain/one.toml\"»]",
}
SUGGESTIONS = {"unknown key": "hostname", "unknown key in a table": "message_size",
               "unknown key in a list of tables": "deliver", "unknown table": "listener"}
# The head stands after root keys of the snippet, so that these are not keys of [[listener]].
ROOT_KEY = re.compile(r"^«?[a-z_]+»? = |^include = ")


class BadConfig(PostwainTestCase):
    def written(self, snippet):
        """(instance, {line: columns that may be reported}) of a configuration with this mistake."""
        instance = self.prepare()
        head = HEAD.replace("SPOOL", instance.folder / "spool").replace(
            "RUN", instance.folder / "run").replace("PORT", str(instance.port))
        if ROOT_KEY.match(snippet):
            if "hostname" in snippet:
                head = head.split("\n", 1)[1]
            marked = snippet + "\n" + head
        else:
            marked = head + snippet + "\n"
        places = {}
        for number, line in enumerate(marked.split("\n"), 1):
            plain = ""
            for character in line:
                if character == "«":
                    places.setdefault(number, {1}).add(len(plain) + 1)
                elif character != "»":
                    plain += character
        instance.reconfigure({}, text=marked.replace("«", "").replace("»", ""))
        return instance, places

    def diagnostics(self, instance, output):
        """[(line, column, text)] of the lines FILE:LINE:COLUMN: TEXT."""
        pattern = re.compile(re.escape(instance.config_path) + r":(\d+):(\d+): (\S.*)")
        return [(int(m[1]), int(m[2]), m[3]) for m in map(pattern.match, output.splitlines()) if m]

    def test_check_names_the_place(self):
        for name, snippet in MISTAKES.items():
            with self.subTest(name):
                instance, places = self.written(snippet)
                result = instance.cli("check")
                found = self.diagnostics(instance, result.stderr + result.stdout)
                self.assertEqual(78, result.returncode, result.stderr)
                self.assertTrue(found, result.stdout + result.stderr)
                lines = [line for line, _, _ in found]
                self.assertTrue(set(lines) & set(places), f"{found}, wanted one of {places}")
                if not name.startswith(("not TOML", "string not closed")):
                    hits = [(line, column) for line, column, _ in found
                            if column in places.get(line, ())]
                    self.assertTrue(hits, f"{found}, wanted one of {places}")
                if name in SUGGESTIONS:
                    self.assertIn(SUGGESTIONS[name], " ".join(text for _, _, text in found))

    def test_run_says_the_same_and_starts_nothing(self):
        for name in ("not TOML", "unknown key", "bad duration", "unknown delivery"):
            with self.subTest(name):
                instance, places = self.written(MISTAKES[name])
                instance.launch()
                self.assertEqual(78, instance.wait_exit())
                found = self.diagnostics(instance, "\n".join(instance.log))
                self.assertTrue({line for line, _, _ in found} & set(places), instance.tail())
                self.assertFalse(listening(instance.port))
                self.assertFalse(os.path.exists(instance.folder / "spool"))
                self.assertFalse(instance.has_event("ready"))

    def test_all_mistakes_at_once(self):
        """Three mistakes, three reports, in one run."""
        instance, places = self.written(
            '[limits]\n«message_sise» = 5\n«recipients» = «"many"»\n[queue]\n«lifetime» = «"long"»')
        result = instance.cli("check")
        self.assertEqual(78, result.returncode)
        self.assertEqual(set(places), {line for line, _, _ in
                                       self.diagnostics(instance, result.stderr + result.stdout)})

    def test_mistake_in_an_included_file(self):
        instance = self.prepare()
        os.mkdir(instance.folder / "conf.d")
        part = instance.folder.file("conf.d/one.toml",
                                    '[[route]]\nmatch = "*"\ndeliver = "carrier"\n')
        instance.reconfigure({}, text='include = ["conf.d/*.toml"]\n'
                             + open(instance.config_path, encoding="utf-8").read())
        result = instance.cli("check")
        self.assertEqual(78, result.returncode)
        self.assertRegex(result.stderr + result.stdout, re.escape(part) + r":3:\d+: \S")

    def test_good_config_is_good(self):
        result = self.prepare().cli("check")
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def test_missing_file(self):
        instance = self.prepare()
        os.unlink(instance.config_path)
        for command in ("check", "run"):
            result = instance.cli(command)
            self.assertIn(result.returncode, (66, 78), command)
            self.assertIn(instance.config_path, result.stderr)

    def test_port_in_use(self):
        """Not a mistake of the file, but nothing may half start either."""
        first = self.start()
        second = self.prepare({"listener": [{"address": f"127.0.0.1:{first.port}"}]})
        second.launch()
        self.assertNotEqual(0, second.wait_exit())
        self.assertIn(str(first.port), second.tail())
        self.assertEqual([], second.children())


if __name__ == "__main__":
    main()

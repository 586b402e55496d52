"""`postwain dkim`: keys are made, shown, compared with the DNS and changed; whatever ends a command,
the configuration is good, and the same command goes on from there."""

import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
import unittest

from postwain_harness import BIN, PostwainTestCase, main
from certificates import openssl
from dns_server import DnsServer
from resources import wait_until

DOMAIN = "us.test"
# What a change of files is made of; a command that is ended before any of them leaves what is here.
CALLS = ("flock", "mkdir", "unlink", "fchmod", "fsync", "rename", "renameat2")
TRACED = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={','.join(CALLS)}"]


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def has_ended(pid):
    """Also where nobody has asked how: in a container whose first process takes no orphans."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children_of(pid):
    return [int(word) for word in text_of(f"/proc/{pid}/task/{pid}/children").split()]


def tracing_works():
    """strace is there, and this container lets it trace."""
    if not shutil.which("strace"):
        return False
    return subprocess.run([*TRACED, "true"], check=False, capture_output=True).returncode == 0


class DkimCommand(PostwainTestCase):
    def setUp(self):
        self.dns = self.closing(DnsServer({DOMAIN: {}}))
        self.mta = self.prepare({"include": ["conf.d/*.toml"],
                                 "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]}})
        self.added = os.path.join(self.mta.folder / "conf.d", "dkim.toml")

    def dkim(self, *words, code=0):
        result = self.mta.cli("dkim", *words)
        self.assertEqual(code, result.returncode, result.stdout + result.stderr)
        return result

    def keys(self):
        return json.loads(self.dkim("show", "--json").stdout)

    def roles(self):
        """{selector: role}"""
        return {key["selector"]: key["role"] for key in self.keys()}

    def publish(self, *keys):
        for key in keys or self.keys():
            self.dns.zone[key["record_name"]] = {"TXT": [key["record"]]}

    def check_is_good(self):
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)

    def make(self, *words, code=0):
        return self.dkim("new", DOMAIN, "--algorithm", "ed25519", *words, code=code)


class NewKeys(DkimCommand):
    def test_a_key_and_its_record(self):
        made = json.loads(self.dkim("new", DOMAIN, "--json").stdout)
        self.assertRegex(made["selector"], r"^s20\d{6}a$")
        self.assertEqual(("rsa", 2048), (made["algorithm"], made["bits"]))
        self.assertEqual(f"{made['selector']}._domainkey.{DOMAIN}", made["record_name"])
        info = os.stat(made["key_file"])
        self.assertEqual((0o600, os.geteuid()), (stat.S_IMODE(info.st_mode), info.st_uid))
        self.assertEqual(0o700, stat.S_IMODE(os.stat(self.mta.folder / "dkim").st_mode))
        public = openssl("pkey", "-in", made["key_file"], "-pubout", "-outform", "DER")
        encoded = subprocess.run(["base64", "-w0"], input=public, capture_output=True, check=True).stdout
        self.assertEqual(f"v=DKIM1; k=rsa; p={encoded.decode()}", made["record"])
        # The strings of the line are the record.
        self.assertEqual(made["record"], "".join(re.findall(r'"([^"]*)"', made["publish"])))
        self.assertFalse(os.path.exists(self.added))
        self.dkim("show", code=66)

    def test_lengths_and_algorithms(self):
        for words, algorithm, bits in ((("--bits", "3072"), "rsa", 3072),
                                       (("--algorithm", "ed25519"), "ed25519", 256)):
            made = json.loads(self.dkim("new", DOMAIN, "--json", *words).stdout)
            self.assertEqual((algorithm, bits), (made["algorithm"], made["bits"]))
        for words in (["--bits", "1024"], ["--algorithm", "dsa"], ["--algorithm", "ed25519", "--bits", "2048"],
                      ["--selector", "a b"], ["--bits", "x"]):
            self.dkim("new", DOMAIN, *words, code=64)
        for domain in ("", "a..b", "-x.test", "a/b.test", "x" * 300):
            self.dkim("new", domain, code=64)

    def test_selectors_and_files_are_never_used_twice(self):
        selectors = [json.loads(self.make("--json").stdout)["selector"] for _ in range(3)]
        self.assertEqual(["a", "b", "c"], [selector[-1] for selector in selectors])
        self.make("--selector", "mail")
        before = text_of(self.mta.folder / f"dkim/{DOMAIN}.mail.pem")
        self.assertIn("is there already", self.make("--selector", "mail", code=73).stderr)
        self.assertEqual(before, text_of(self.mta.folder / f"dkim/{DOMAIN}.mail.pem"))
        self.make("--selector", "other", "--add")
        self.assertIn("is there already", self.make("--selector", "Other", code=73).stderr)
        self.assertEqual([], [name for name in os.listdir(self.mta.folder / "dkim") if name[0] == "."])

    def test_a_file_of_ones_own(self):
        place = self.mta.folder / "elsewhere.pem"
        made = json.loads(self.make("--key", place, "--add", "--json").stdout)
        self.assertEqual(os.path.realpath(place), made["key_file"])
        self.assertEqual(made["key_file"], self.keys()[0]["key_file"])
        self.make("--key", place, code=73)

    def test_a_file_that_the_configuration_names_already(self):
        """Both keys stand there, and neither file: each is made, as its table says."""
        tables = [{"domain": DOMAIN, "selector": "s1", "key": "dkim/s1.pem"},
                  {"domain": DOMAIN, "selector": "e1", "key": "keys/e1.pem", "signs": False}]
        self.mta.reconfigure({"dkim_key": tables})
        place = self.mta.folder / "dkim/s1.pem"
        refused = self.make("--selector", "s1", "--key", self.mta.folder / "dkim/other.pem", code=64)
        self.assertIn("whose file is dkim/s1.pem", refused.stderr)
        made = self.make("--selector", "S1", "--key", place, "--add")
        self.assertIn("its [[dkim_key]] is there: ", made.stdout)
        self.assertNotIn("to be written into", made.stdout)
        shown = json.loads(self.make("--selector", "e1", "--json").stdout)
        self.assertEqual((str(self.mta.folder / "keys/e1.pem"), False), (shown["key_file"], shown["signs"]))
        self.assertFalse(os.path.exists(self.added))
        self.assertEqual({"s1": "signs", "e1": "next"}, self.roles())
        self.assertEqual([], [key for key in self.keys() if "trouble" in key])
        self.check_is_good()
        before = text_of(place)
        self.assertIn("is there already", self.make("--selector", "s1", "--key", place, code=73).stderr)
        self.assertEqual(before, text_of(place))

    def test_a_selector_is_not_the_name_of_the_record(self):
        for selector in ("s1._domainkey", f"s1._DomainKey.{DOMAIN}"):
            self.assertIn("give the part before", self.make("--selector", selector, code=64).stderr)
        self.assertFalse(os.path.exists(self.mta.folder / "dkim"))

    def test_added_keys_do_not_sign_unless_asked_for(self):
        self.make("--add")
        first = text_of(self.added)
        self.make("--add", "--sign-now")
        text = text_of(self.added)
        self.assertTrue(text.startswith(first))
        self.assertEqual([False, True], [key["signs"] for key in self.keys()])
        self.assertEqual([1, 7], [key["line"] for key in self.keys()])
        self.check_is_good()

    def test_what_is_not_included_is_said(self):
        self.mta.reconfigure({"include": None})
        self.assertIn('include = ["conf.d/*.toml"]', self.make("--add", code=78).stderr)
        self.assertFalse(os.path.exists(self.mta.folder / "dkim"))
        self.assertFalse(os.path.exists(self.added))

    def test_a_wrong_configuration_is_not_added_to(self):
        self.mta.reconfigure({"listener": [{"address": "nonsense"}]})
        self.assertIn("the configuration has mistakes", self.make("--add", code=78).stderr)
        self.make()

    def test_a_folder_that_others_may_write_to(self):
        os.mkdir(self.mta.folder / "dkim")
        os.chmod(self.mta.folder / "dkim", 0o777)
        self.assertIn("others may write", self.make("--add", code=77).stderr)
        self.assertFalse(os.path.exists(self.added))

    def test_one_command_at_a_time(self):
        folder = os.open(self.mta.folder / ".", os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        self.assertIn("another postwain dkim", self.make(code=75).stderr)
        os.close(folder)
        self.make()


class Records(DkimCommand):
    def test_each_fit(self):
        self.make("--add", "--sign-now")
        self.make("--add", "--selector", "znext")
        signing, following = self.keys()
        other = json.loads(self.make("--json").stdout)

        def fits(code):
            answer = json.loads(self.dkim("check", DOMAIN, "--json", code=code).stdout)
            self.assertEqual(code == 0, answer["ok"])
            return [key["fit"] for key in answer["keys"]]

        self.assertEqual(["missing", "missing"], fits(1))
        self.publish(signing)
        self.assertEqual(["fits", "missing"], fits(0))
        self.publish(following)
        self.assertEqual(["fits", "fits"], fits(0))
        name = signing["record_name"]
        for record, fit in ((signing["record"] + "; t=y", "testing"), (other["record"], "differs"),
                            ("v=DKIM1; p=", "unusable"), ("nonsense", "unusable")):
            self.dns.zone[name] = {"TXT": [record]}
            self.assertEqual([fit, "fits"], fits(1))
        self.dns.zone[name] = {"rcode": "SERVFAIL"}
        self.assertEqual(["unknown", "fits"], fits(1))
        for more in ("something else", other["record"]):
            self.dns.zone[name] = {"TXT": [signing["record"], more]}
            self.assertEqual(["several", "fits"], fits(1))
        self.publish(signing)
        self.dns.zone[following["record_name"]] = {"TXT": [other["record"], following["record"]]}
        self.assertEqual(["fits", "several"], fits(1))
        self.assertIn("leave one", self.dkim("rotate", DOMAIN, code=75).stderr)

    def test_short_keys_and_unreadable_ones(self):
        path = self.mta.folder / "short.pem"
        openssl("genrsa", "-out", path, "1024")
        key = {"domain": DOMAIN, "selector": "short", "key": path}
        self.mta.reconfigure({"dkim_key": [key]})
        self.publish()
        self.assertIn("shorter than 2048 bits", self.dkim("check", code=1).stdout)
        self.mta.reconfigure({"dkim_key": [key | {"key": self.mta.folder / "none.pem"}]})
        self.assertIn("cannot be read", self.dkim("check", code=1).stdout)
        self.assertIn("No such file", self.dkim("show").stdout)
        self.dkim("show", "other.test", code=66)
        self.dkim("check", "other.test", code=66)

    def test_files_that_are_no_key_to_sign_with(self):
        """What is wrong is said, at the line that names the file."""
        self.make("--selector", "a", "--add")
        own = self.keys()[0]["key_file"]
        public, encrypted = self.mta.folder / "public.pem", self.mta.folder / "encrypted.pem"
        openssl("pkey", "-in", own, "-pubout", "-out", public)
        openssl("pkcs8", "-topk8", "-in", own, "-passout", "pass:x", "-out", encrypted)
        before = text_of(self.added)
        for path, words in ((public, "there is no private key in it"),
                            (encrypted, "it is encrypted; take the passphrase off")):
            with open(self.added, "w", encoding="utf-8") as file:
                file.write(re.sub(r"key = .*", f'key = "{path}"', before))
            for refused in (self.mta.cli("check"), self.dkim("rotate", DOMAIN, code=78)):
                self.assertEqual(78, refused.returncode)
                self.assertIn(words, refused.stderr)
                self.assertIn(f"{self.added}:4:7: ", refused.stderr)
            self.assertIn(words, self.dkim("show").stdout)

    def test_a_file_of_the_configuration_that_is_none(self):
        """Nobody can say then which keys there are."""
        self.make("--add")
        self.mta.folder.file("conf.d/other.toml", "a = = b\n")
        for words in (["show"], ["check"], ["show", DOMAIN]):
            self.assertIn("other.toml:1:", self.dkim(*words, code=78).stderr)
        self.mta.folder.file("conf.d/other.toml", "[queue]\nnonsense = 1\n")
        self.dkim("show", DOMAIN)

    def test_words_that_are_no_command(self):
        self.assertIn("there is no command 'frob'", self.dkim("frob", code=64).stderr)
        self.assertIn("frob", self.dkim("show", DOMAIN, "frob", code=64).stderr)
        self.assertNotIn("no command", self.dkim("new", code=64).stderr)

    def test_hostile_answers_end(self):
        self.make("--add", "--sign-now")
        name = self.keys()[0]["record_name"]
        for records in ({"TXT": ["v=DKIM1; p=" + "A" * 60000]}, {"TXT": ["v=DKIM1; " * 300] * 20},
                        {"CNAME": name}, {"TXT": ["\x00\x1b[31m" * 100]}, {"TXT": [""]}, {"silent": True}):
            self.dns.zone[name] = records
            began = time.monotonic()
            result = self.dkim("check", code=1)
            self.assertLess(time.monotonic() - began, 60)
            self.assertNotIn("\x1b", result.stdout + result.stderr)
            self.assertLess(len(result.stdout), 10000)


class Rights(DkimCommand):
    @unittest.skipUnless(os.geteuid() == 0, "only root has something to give up")
    def test_nobody_asks_the_dns_as_root(self):
        self.make("--add", "--sign-now")
        self.make("--add", "--selector", "znext")
        for key in self.keys():
            self.dns.zone[key["record_name"]] = {"silent": True}
        for words in (["dkim", "check"], ["check", "--dns"], ["dkim", "rotate", DOMAIN]):
            with self.subTest(words):
                seen = len(self.dns.questions)
                process = subprocess.Popen([os.path.join(BIN, "postwain"), *words, "--config", self.mta.config_path],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                wait_until(lambda: len(self.dns.questions) > seen, 20, "a question")
                asking = process.pid if words[1] != "rotate" else children_of(process.pid)[0]
                with open(f"/proc/{asking}/status", encoding="ascii") as file:
                    numbers = re.search(r"^Uid:\s+(.*)$", file.read(), re.MULTILINE)[1].split()
                self.assertNotIn("0", numbers)
                process.kill()
                process.wait()
                # Whoever asks for it is gone with it, and so is the lock.
                wait_until(lambda: has_ended(asking), 10, "end of who asks")


class RotationCase(DkimCommand):
    def rotate(self, *words, code=0):
        return self.dkim("rotate", DOMAIN, *words, code=code)

    def begin(self):
        """A domain that is signed with a key that is published."""
        self.make("--add", "--selector", "first", "--sign-now")
        self.publish()


class Rotation(RotationCase):
    def test_from_nothing_to_the_second_key(self):
        self.assertIn("postwain dkim new", self.rotate(code=66).stderr)
        self.make("--add")
        self.assertIn("no key is published", self.rotate(code=75).stderr)
        self.assertEqual(["next"], list(self.roles().values()))
        self.publish()
        self.assertIn("is signed with key", self.rotate().stdout)
        self.assertEqual(["signs"], list(self.roles().values()))
        shown = self.rotate().stdout
        self.assertIn("to be published in the DNS", shown)
        self.assertIn(self.keys()[1]["publish"], shown)
        self.assertEqual(["signs", "next"], list(self.roles().values()))
        before = text_of(self.added)
        self.rotate(code=75)
        self.assertEqual(before, text_of(self.added))
        self.publish()
        self.assertIn("leave its record in the DNS: it may go 12d after", self.rotate().stdout)
        self.assertEqual(["old", "signs"], list(self.roles().values()))
        self.assertIn("signs no more and is still published", self.dkim("check").stdout)
        self.check_is_good()

    def test_each_algorithm_gets_its_next_key(self):
        self.begin()
        self.dkim("new", DOMAIN, "--bits", "3072", "--selector", "big", "--add", "--sign-now")
        self.publish()
        made = json.loads(self.rotate("--json").stdout)
        self.assertEqual(("made", {("rsa", 3072), ("ed25519", 256)}),
                         (made["step"], {(key["algorithm"], key["bits"]) for key in made["keys"]}))
        self.publish(made["keys"][0])
        waiting = self.rotate("--json", code=75)
        self.assertEqual(("waiting", [made["keys"][1]["record"]]),
                         (json.loads(waiting.stdout)["step"],
                          [key["record"] for key in json.loads(waiting.stdout)["keys"]]))
        shown = self.rotate(code=75).stdout
        self.assertIn(made["keys"][1]["publish"], shown)
        self.assertNotIn(made["keys"][0]["publish"], shown)
        self.publish()
        self.assertEqual("switched", json.loads(self.rotate("--json").stdout)["step"])
        self.assertEqual({"first": "old", "big": "old"} | {key["selector"]: "signs" for key in made["keys"]},
                         self.roles())

    def test_everything_else_in_the_file_stays(self):
        self.begin()
        text = text_of(self.added).replace(
            "[[dkim_key]]\n", "# the first\n[[dkim_key]]   # ü\n") + "\n\n# what follows\n"
        with open(self.added, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.added, 0o640)
        self.rotate()
        self.publish()
        middle = text_of(self.added)
        self.assertTrue(middle.startswith(text))
        self.rotate()
        wanted = middle.replace("signs = false\n", "signs = true\n").replace(
            "# ü\n", "# ü\nsigns = false\n")
        self.assertEqual(wanted, text_of(self.added))
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.added).st_mode))

    def test_the_next_key_stands_beside_the_one_before(self):
        self.make("--key", self.mta.folder / "own.pem")
        self.mta.reconfigure({"dkim_key": [
            {"domain": DOMAIN, "selector": "own", "key": "own.pem", "subdomains": False}]})
        self.rotate()
        self.assertFalse(os.path.exists(self.added))
        own, following = self.keys()
        self.assertEqual((self.mta.config_path, False), (following["file"], following["subdomains"]))
        self.publish()
        self.rotate()
        self.assertEqual({"own": "old", following["selector"]: "signs"}, self.roles())

    def test_keys_in_two_files(self):
        """The new one begins before the old one ends."""
        self.make("--key", self.mta.folder / "own.pem")
        self.mta.reconfigure({"dkim_key": [{"domain": DOMAIN, "selector": "own", "key": "own.pem"}]})
        self.make("--add")
        self.publish()
        both = text_of(self.added).replace("signs = false", "signs = true")
        self.rotate()
        self.assertEqual(["old", "signs"], list(self.roles().values()))
        # Whoever was ended between the two files goes on with the second.
        self.mta.reconfigure({})
        with open(self.added, "w", encoding="utf-8") as file:
            file.write(both)
        self.assertEqual(["signs", "signs"], list(self.roles().values()))
        self.rotate()
        self.assertEqual(["old", "signs"], list(self.roles().values()))

    def test_what_cannot_be_changed_is_left(self):
        self.begin()
        text = text_of(self.added).replace("[[dkim_key]]", '[["dkim_key"]]')
        with open(self.added, "w", encoding="utf-8") as file:
            file.write(text)
        self.rotate()
        self.publish()
        before = text_of(self.added)
        self.assertIn("write there: signs = false", self.rotate(code=78).stderr)
        self.assertEqual(before, text_of(self.added))

    def expect(self, *signed_by):
        self.mta.reconfigure({"access": {"trusted_networks": ["127.0.0.0/8"]}, "expect": [
            {"recipient": "a@far.test", "from": f"b@{DOMAIN}", "client": "127.0.0.1", "decision": "accept",
             "signed_by": list(signed_by)}]})

    def test_what_the_configuration_expects(self):
        """Names in signed_by change with the keys, in another file by way of the domain, which is always true; what
        `check` would refuse is not written."""
        self.begin()
        self.expect(f"first._domainkey.{DOMAIN}")
        with open(self.mta.config_path, "a", encoding="utf-8") as file:
            file.write("# the end, as it was\n")
        self.rotate()
        self.publish()
        before = text_of(self.mta.config_path)
        self.rotate()
        new = next(selector for selector, role in self.roles().items() if role == "signs")
        self.assertNotEqual("first", new)
        self.assertEqual(before.replace(f"first._domainkey.{DOMAIN}", f"{new}._domainkey.{DOMAIN}"),
                         text_of(self.mta.config_path))
        self.check_is_good()
        # In the file of the keys.
        self.mta.reconfigure({"expect": None, "access": {"trusted_networks": ["127.0.0.0/8"]}})
        with open(self.added, "a", encoding="utf-8") as file:
            file.write(f'[[expect]] # of the keys\nrecipient = "a@far.test"\nfrom = "b@{DOMAIN}"\n'
                       "client = '127.0.0.1'\ndecision = 'accept'\n"
                       f"signed_by = [ '{new}._domainkey.{DOMAIN}', ] # {new}._domainkey\n")
        self.check_is_good()
        self.rotate()
        self.publish()
        self.rotate()
        newest = next(selector for selector, role in self.roles().items() if role == "signs")
        self.assertIn(f"signed_by = [ '{newest}._domainkey.{DOMAIN}', ] # {new}._domainkey\n", text_of(self.added))
        self.assertIn("[[expect]] # of the keys\n", text_of(self.added))
        self.check_is_good()

    def test_expectations_that_cannot_follow(self):
        self.begin()
        self.expect(f"first._domainkey.{DOMAIN}")
        text = text_of(self.mta.config_path).replace('"first._domainkey.', '"\\u0066irst._domainkey.')
        with open(self.mta.config_path, "w", encoding="utf-8") as file:
            file.write(text)
        self.check_is_good()
        self.rotate()
        before = text_of(self.added)
        refused = self.rotate(code=78).stderr  # published or not
        self.publish()
        self.assertEqual(refused, self.rotate("--force", code=78).stderr)
        self.assertIn(f'does not change; write there: "{DOMAIN}"', refused)
        self.assertEqual((before, text), (text_of(self.added), text_of(self.mta.config_path)))
        self.check_is_good()
        self.expect(DOMAIN)
        self.check_is_good()
        self.rotate()
        self.assertEqual(["old", "signs"], list(self.roles().values()))
        self.check_is_good()

    def test_a_next_key_that_is_too_short_to_sign(self):
        self.begin()
        path = self.mta.folder / "dkim/short.pem"
        openssl("genrsa", "-out", path, "1024")
        with open(self.added, "a", encoding="utf-8") as file:
            file.write(f'[[dkim_key]]\ndomain = "{DOMAIN}"\nselector = "short"\nkey = "{path}"\nsigns = false\n')
        self.check_is_good()
        self.publish()
        self.assertIn("RSA with 1024 bits", self.rotate(code=78).stderr)
        self.check_is_good()

    def test_a_symbolic_link_stays_one(self):
        self.begin()
        target = self.mta.folder / "kept.toml"
        os.rename(self.added, target)
        os.symlink("../kept.toml", self.added)
        self.rotate()
        self.publish()
        self.rotate()
        self.assertTrue(os.path.islink(self.added))
        self.assertEqual(["old", "signs"], list(self.roles().values()))

    def test_every_server_is_asked(self):
        self.begin()
        slow = self.closing(DnsServer({DOMAIN: {}}))
        self.mta.reconfigure({"dns": {"servers": [f"127.0.0.1:{self.dns.port}", f"127.0.0.1:{slow.port}"]}})
        self.rotate()
        self.publish()
        refused = self.rotate(code=75).stderr
        self.assertIn(f"127.0.0.1:{slow.port}: ", refused)
        self.assertNotIn(f"127.0.0.1:{self.dns.port}: ", refused)
        slow.zone |= self.dns.zone
        self.rotate()

    def test_whatever_the_dns_says(self):
        self.begin()
        self.rotate()
        self.dns.zone[self.keys()[1]["record_name"]] = {"TXT": ["v=DKIM1; p="]}
        self.rotate(code=75)
        self.rotate("--force")
        self.assertEqual(["old", "signs"], list(self.roles().values()))

    def reloaded(self, count):
        """So often, as two processes say; the log may come later than what a command says."""
        wait_until(lambda: len(self.mta.events("reloaded")) == 2 * count, 20, self.mta.tail)

    def test_the_running_server_uses_it(self):
        self.begin()
        self.mta.start()
        self.rotate()
        self.publish()
        self.reloaded(1)
        self.assertIn("the new configuration is in use", self.rotate().stdout)
        self.reloaded(2)
        self.assertEqual("made", json.loads(self.rotate("--json").stdout)["step"])
        self.publish()
        self.reloaded(3)
        seen = len(self.mta.log)
        self.assertNotIn("in use", self.rotate("--no-reload").stdout)
        self.assertFalse(self.mta.has_event("reloaded", seen), self.mta.tail())
        self.mta.stop()


class Killed(RotationCase):
    def states(self):
        """All files that matter, to go back to."""
        kept = self.mta.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        os.mkdir(kept)
        for name in ("conf.d", "dkim"):
            shutil.copytree(self.mta.folder / name, os.path.join(kept, name))
        return kept

    def back_to(self, kept):
        for name in ("conf.d", "dkim"):
            shutil.rmtree(self.mta.folder / name)
            shutil.copytree(os.path.join(kept, name), self.mta.folder / name)

    def command(self, *words):
        return [os.path.join(BIN, "postwain"), "dkim", *words, "--config", self.mta.config_path]

    def after_being_killed(self, finished):
        """The configuration is good, all keys are there, and the same command ends what was begun."""
        self.check_is_good()
        self.assertTrue(all(os.path.exists(key["key_file"]) for key in self.keys()))
        self.assertTrue(any(key["signs"] for key in self.keys()))
        if not finished():
            self.rotate()
        self.assertTrue(finished(), self.roles())
        for folder in ("conf.d", "dkim"):
            self.assertEqual([], [name for name in os.listdir(self.mta.folder / folder)
                                  if name.endswith(".new")])

    def has_next(self):
        return list(self.roles().values()) == ["signs", "next"]

    def has_switched(self):
        return list(self.roles().values()) == ["old", "signs"]

    @unittest.skipUnless(tracing_works(), "nothing can be traced here")
    def test_before_each_call_that_changes_something(self):
        self.begin()
        for finished, killed_at_least in ((self.has_next, 11), (self.has_switched, 5)):
            kept = self.states()
            killed = sum(self.kill_at_each(call, kept, finished) for call in CALLS)
            self.assertGreaterEqual(killed, killed_at_least)
            self.back_to(kept)
            self.rotate()
            self.publish()

    def kill_at_each(self, call, kept, finished):
        """How often the command makes this call; each time it was ended there."""
        for number in range(1, 20):
            self.back_to(kept)
            run = subprocess.run([*TRACED, "-e", f"inject={call}:signal=KILL:when={number}",
                                  *self.command("rotate", DOMAIN)], check=False, capture_output=True)
            if run.returncode == 0:
                return number - 1
            self.assertEqual(-signal.SIGKILL, run.returncode, run.stderr)
            self.after_being_killed(finished)
        raise AssertionError(f"there is no end of {call}")

    def test_at_any_moment(self):
        self.begin()
        began = time.monotonic()
        kept = self.states()
        self.rotate()
        whole = time.monotonic() - began
        for share in range(20):
            self.back_to(kept)
            process = subprocess.Popen(self.command("rotate", DOMAIN), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(whole * share / 20)
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            self.after_being_killed(self.has_next)


if __name__ == "__main__":
    main()

"""A sample schema of realistic size and shape: a shop's customers, products, orders, order lines, reviews and requests.

Rows of blanks or of counted numbers compress to nothing and flatter what is measured on them. These have names, mail
addresses, prose, prices, JSON, addresses of the net and times, of very different lengths, always the same ones (a
random generator with a fixed seed). Tab-separated files are made that PostgreSQL's COPY and MariaDB's LOAD DATA both
read. 100,000 orders make a dump of some 53 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

ORDERS = 375_000
"""Orders that make a dump of some 200 MB."""

POSTGRESQL = """
CREATE TABLE customers (id integer, name text NOT NULL, mail text, phone text, street text, city text,
  since timestamptz NOT NULL, newsletter boolean);
CREATE TABLE products (id integer, title text NOT NULL, description text, price numeric(10,2), attributes jsonb);
CREATE TABLE orders (id bigint, customer integer NOT NULL, placed timestamptz NOT NULL, status text,
  total numeric(12,2), note text);
CREATE TABLE order_lines (order_id bigint, line integer, product integer NOT NULL, quantity integer,
  price numeric(10,2));
CREATE TABLE reviews (id bigint, product integer NOT NULL, customer integer NOT NULL, stars smallint, body text,
  written timestamptz);
CREATE TABLE requests (id bigint, at timestamptz, address inet, session uuid, path text, agent text, payload jsonb);
"""
POSTGRESQL_KEYS = """
ALTER TABLE customers ADD PRIMARY KEY (id);
ALTER TABLE products ADD PRIMARY KEY (id);
ALTER TABLE orders ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer) REFERENCES customers;
ALTER TABLE order_lines ADD PRIMARY KEY (order_id, line), ADD FOREIGN KEY (product) REFERENCES products;
ALTER TABLE reviews ADD PRIMARY KEY (id), ADD FOREIGN KEY (product) REFERENCES products;
ALTER TABLE requests ADD PRIMARY KEY (id);
CREATE INDEX ON orders (customer, placed);
CREATE INDEX ON requests (at);
ANALYZE;
"""
MARIADB = """
CREATE TABLE customers (id int PRIMARY KEY, name varchar(80) NOT NULL, mail varchar(120), phone varchar(30),
  street varchar(120), city varchar(60), since datetime NOT NULL, newsletter varchar(1));
CREATE TABLE products (id int PRIMARY KEY, title varchar(120) NOT NULL, description text, price decimal(10,2),
  attributes json);
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, placed datetime NOT NULL, status varchar(20),
  total decimal(12,2), note text, KEY (customer, placed), FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE order_lines (order_id bigint, line int, product int NOT NULL, quantity int, price decimal(10,2),
  PRIMARY KEY (order_id, line), FOREIGN KEY (product) REFERENCES products (id));
CREATE TABLE reviews (id bigint PRIMARY KEY, product int NOT NULL, customer int NOT NULL, stars tinyint, body text,
  written datetime, FOREIGN KEY (product) REFERENCES products (id));
CREATE TABLE requests (id bigint PRIMARY KEY, at datetime, address varchar(45), session char(36), path varchar(200),
  agent varchar(200), payload json, KEY (at));
"""

_BEGIN = datetime(2021, 3, 1, 6, 0, tzinfo=UTC)
_STATUS = ("delivered", "delivered", "delivered", "delivered", "returned", "open", "cancelled")
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS {}_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.{}.{}",
)


class Shop:
    """The rows of each table, made anew at each call, always alike.

    Args:
        orders: how many; the other tables follow from it.
    """

    def __init__(self, orders: int = ORDERS) -> None:
        self._orders = orders
        self._customers = max(orders // 6, 1)
        self._products = max(orders // 50, 1)
        self._words, self._weights = _vocabulary()

    def tables(self) -> Mapping[str, Callable[[], Iterator[str]]]:
        """By name, in an order in which foreign keys are kept: what makes its lines."""
        return {
            "customers": self._customer_lines,
            "products": self._product_lines,
            "orders": self._order_lines,
            "order_lines": self._lines_of_orders,
            "reviews": self._review_lines,
            "requests": self._request_lines,
        }

    def write(self, folder: Path) -> Mapping[str, Path]:
        """Write each table's lines to a file that everyone may read; the files by table."""
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        files = {}
        for table, lines in self.tables().items():
            files[table] = folder / f"{table}.tsv"
            with files[table].open("w", encoding="utf-8") as file:
                file.writelines(lines())
            files[table].chmod(0o644)
        return files

    def _prose(self, random: Random, least: int, most: int) -> str:
        words = random.choices(self._words, cum_weights=self._weights, k=random.randint(least, most))
        return " ".join(words).capitalize() + "."

    def _name(self, random: Random) -> str:
        first, last = random.choices(self._words, k=2)
        return f"{first.title()} {last.title()}"

    def _customer_lines(self) -> Iterator[str]:
        random = Random("customers")
        at = _BEGIN
        for number in range(1, self._customers + 1):
            at += timedelta(seconds=random.expovariate(1 / 3000))
            name = self._name(random)
            mail = f"{name.lower().replace(' ', '.')}{random.randint(1, 99)}@{random.choice(self._words)}.example"
            phone = f"+49 {random.randint(30, 9999)} {random.randint(10**5, 10**8)}" if random.random() < 0.7 else "\\N"
            street = f"{random.choice(self._words).title()}straße {random.randint(1, 220)}"
            city = f"{random.randint(10000, 99999)} {random.choice(self._words[:400]).title()}"
            yield f"{number}\t{name}\t{mail}\t{phone}\t{street}\t{city}\t{at:%F %T}\t{random.choice('tf')}\n"

    def _product_lines(self) -> Iterator[str]:
        random = Random("products")
        for number in range(1, self._products + 1):
            words = random.choices(self._words, k=4)
            weight = random.randint(20, 9000)
            attributes = f'{{"colour": "{words[0]}", "weight": {weight}, "tags": ["{words[1]}", "{words[2]}"]}}'
            title = " ".join(words[1:]).title()
            price = random.randint(99, 99999) / 100
            yield f"{number}\t{title}\t{self._prose(random, 30, 160)}\t{price:.2f}\t{attributes}\n"

    def _order_lines(self) -> Iterator[str]:
        random = Random("orders")
        at = _BEGIN
        for number in range(1, self._orders + 1):
            at += timedelta(seconds=random.expovariate(1 / 500))
            customer = min(int(random.paretovariate(0.6)), self._customers)
            note = self._prose(random, 3, 40) if random.random() < 0.3 else "\\N"
            total = random.lognormvariate(4, 1)
            yield f"{number}\t{customer}\t{at:%F %T}\t{random.choice(_STATUS)}\t{total:.2f}\t{note}\n"

    def _lines_of_orders(self) -> Iterator[str]:
        random = Random("lines")
        for number in range(1, self._orders + 1):
            for line in range(1, min(int(random.expovariate(0.4)) + 1, 30) + 1):
                product, price = random.randint(1, self._products), random.randint(99, 99999) / 100
                yield f"{number}\t{line}\t{product}\t{random.choice((1, 1, 1, 2, 3, 10))}\t{price:.2f}\n"

    def _review_lines(self) -> Iterator[str]:
        random = Random("reviews")
        at = _BEGIN
        for number in range(1, self._orders // 4 + 1):
            at += timedelta(seconds=random.expovariate(1 / 2000))
            product, customer = random.randint(1, self._products), random.randint(1, self._customers)
            stars = random.choice((1, 2, 3, 4, 4, 5, 5, 5))
            yield f"{number}\t{product}\t{customer}\t{stars}\t{self._prose(random, 5, 120)}\t{at:%F %T}\n"

    def _request_lines(self) -> Iterator[str]:
        random = Random("requests")
        at = _BEGIN
        for number in range(1, self._orders + 1):
            at += timedelta(seconds=random.expovariate(1 / 400))
            bits = random.getrandbits(160)
            address = f"{bits & 127}.{bits >> 8 & 255}.{bits >> 16 & 255}.{bits >> 24 & 255}"
            text = f"{bits >> 32:032x}"
            session = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
            agent = random.choice(_AGENTS).format(bits & 63, bits >> 6 & 15)
            word, count = random.choice(self._words), bits & 1023
            payload = f'{{"ms": {count}, "cart": [{bits & 511}, {bits >> 9 & 511}], "query": "{word}"}}'
            yield f"{number}\t{at:%F %T}\t{address}\t{session}\t/{word}/{count}?ref={text[:10]}\t{agent}\t{payload}\n"


def _vocabulary() -> tuple[list[str], list[float]]:
    """5,000 made-up words, and how often each comes (as in prose: the n-th with 1/n), summed up."""
    random = Random("words")
    starts, vowels, ends = (
        ["b", "br", "d", "f", "g", "h", "k", "kl", "l", "m", "n", "p", "r", "s", "st", "t", "v", "w", "z"],
        ["a", "e", "i", "o", "u", "ä", "ö", "ie", "ei"],
        ["n", "r", "l", "s", "t"],
    )
    words: dict[str, None] = {}
    while len(words) < 5000:
        syllables = (random.choice(starts) + random.choice(vowels) for _ in range(random.choice((1, 2, 2, 3))))
        words["".join(syllables) + random.choice(("", *ends))] = None
    weights, total = [], 0.0
    for place in range(1, 5001):
        total += 1 / place
        weights.append(total)
    return list(words), weights

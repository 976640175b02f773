"""What the invoices of a month cost: so many rows of the ledger, of one account and of a thousand.

python -m benchmarks.invoices --rows 1000000
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import psycopg

from .stack import ROOT, stack

FILL = """
INSERT INTO billing_usagerecord (user_id, thread_id, run_id, attempt, step, kind, agent, labels, provider, model, provider_metadata,
    fresh_input, cache_read, output_text, reasoning, created_at, priced_at,
    cache_write, audio_input, image_input, audio_output, image_output, seconds, characters, requests, estimated, reason)
SELECT md5('user' || n %% %(people)s)::uuid, gen_random_uuid(), gen_random_uuid(), 1, 0, 'answer', 'agent' || n %% 5, '{}', 'openai',
    (ARRAY['gpt-4o-mini', 'gpt-4o', 'gpt-4.1'])[1 + n %% 3], '{}', 500 + n %% 1000, n %% 700, 100 + n %% 300, n %% 50, at, at,
    0, 0, 0, 0, 0, 0, 0, 0, 0, ''
FROM generate_series(1, %(rows)s) AS n,
    LATERAL (SELECT date_trunc('month', now()) - interval '1 month' + n * interval '25 days' / %(rows)s AS at) AS moment
"""


def main() -> None:
    """Fill the ledger, make the invoices, print seconds and the command's memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    os.environ["AGENTSITE_RATE_LIMITS"] = "0"
    print(f"{'rows':>10} {'accounts':>9} {'seconds':>8} {'MB':>5}")
    for people in (1, 1000):
        with stack(worker=False) as running:
            subprocess.run([sys.executable, "manage.py", "refresh_prices", "-v", "0"], cwd=ROOT, env=running.env, check=True)
            with psycopg.connect(running.env["DATABASE_URL"], autocommit=True) as database:
                for rows in (arguments.rows // 10, arguments.rows):
                    database.execute("ALTER TABLE billing_usagerecord DISABLE TRIGGER USER")
                    database.execute("DELETE FROM billing_billed")
                    database.execute("DELETE FROM billing_usagerecord")
                    database.execute("SET session_replication_role = replica")
                    database.execute("DELETE FROM billing_invoiceline; DELETE FROM billing_invoiceevent; DELETE FROM billing_invoice")
                    database.execute("SET session_replication_role = origin")
                    database.execute(FILL, {"rows": rows, "people": people})
                    database.execute("VACUUM ANALYZE billing_usagerecord")
                    before = time.monotonic()
                    subprocess.run(
                        [sys.executable, "manage.py", "generate_invoices"], cwd=ROOT, env=running.env, check=True, stdout=subprocess.DEVNULL
                    )
                    took = time.monotonic() - before
                    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
                    (count,) = database.execute("SELECT count(*) FROM billing_invoice").fetchone() or (0,)
                    print(f"{rows:>10,} {count:>9,} {took:>8.1f} {memory:>5.0f}", flush=True)


if __name__ == "__main__":
    main()

"""A pool of forked workers, as Celery's prefork pool has it: each configures itself.

Two processes that push the same series overwrite each other. So each worker has an instance id of
its own: its place in the pool, which a worker that takes over keeps, and not its process id, which
would make new series with every restart.
"""

import multiprocessing.queues
import socket
import time

import wiltonos_otel

WORKERS = 2
JOBS = 20
SECONDS_PER_JOB = 0.02

# a job, or None to end
Job = int | None


def work(place: int, jobs: "multiprocessing.queues.SimpleQueue[Job]") -> None:
    """Take jobs until there are no more."""
    wiltonos_otel.configure(
        service_name="example-worker", instance_id=f"{socket.gethostname()}:{place}"
    )
    loop = wiltonos_otel.loop("jobs")
    try:
        while (job := jobs.get()) is not None:
            time.sleep(SECONDS_PER_JOB)
            wiltonos_otel.coherence.set(0.75 + 0.001 * (job % 3))
            loop.set(0.74, phi_star=0.75)
    finally:
        # a forked worker ends without running what atexit holds
        wiltonos_otel.shutdown()


def main() -> None:
    """Fork the workers, give them jobs, wait for their end."""
    fork = multiprocessing.get_context("fork")
    jobs: multiprocessing.queues.SimpleQueue[Job] = fork.SimpleQueue()
    workers = [fork.Process(target=work, args=(place, jobs)) for place in range(WORKERS)]
    for worker in workers:
        worker.start()
    for job in range(JOBS):
        jobs.put(job)
    for _ in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()

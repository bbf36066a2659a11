"""A store that speaks S3: prints its port and the keys of a user who may use its bucket, serves until its input ends.

Moto is asked to check every signature, as it does not by itself."""

import json
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3
from moto.server import ThreadedMotoServer

BUCKET, REGION = sys.argv[1:]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()


def client(service):
    return boto3.client(
        service,
        endpoint_url=f"http://{host}:{port}",
        region_name=REGION,
        aws_access_key_id="nobody",
        aws_secret_access_key="nobody",
    )


statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = {"Version": "2012-10-17", "Statement": [statement]}
client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
iam = client("iam")
iam.create_user(UserName="holdfast")
iam.put_user_policy(UserName="holdfast", PolicyName="files", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="holdfast")["AccessKey"]
print(port, key["AccessKeyId"], key["SecretAccessKey"], flush=True)
sys.stdin.read()

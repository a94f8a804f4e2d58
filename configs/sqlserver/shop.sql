-- The shop's database for a SQL Server of your own; the stand-in makes it by itself (--demo). Run it as an administrator:
--   sqlcmd -C -S HOST -U sa -P PASSWORD -i configs/sqlserver/shop.sql
CREATE DATABASE shop
GO
USE shop
GO
-- Connectors read the tables' rows without holding up writers.
ALTER DATABASE shop SET ALLOW_SNAPSHOT_ISOLATION ON
GO
CREATE TABLE dbo.customers (
    customer_id varchar(20) NOT NULL PRIMARY KEY,
    name nvarchar(200) NOT NULL,
    email nvarchar(200) NOT NULL UNIQUE,
    segment varchar(20) NOT NULL,
    loyalty_tier varchar(10) NOT NULL,
    marketing_consent bit NOT NULL,
    updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME()
)
GO
CREATE TABLE dbo.products (
    product_id varchar(40) NOT NULL PRIMARY KEY,
    name nvarchar(200) NOT NULL,
    description nvarchar(max) NULL,
    price decimal(10,2) NOT NULL,
    stock int NOT NULL,
    updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME()
)
GO
CREATE TABLE dbo.orders (
    order_id varchar(20) NOT NULL PRIMARY KEY,
    customer_id varchar(20) NOT NULL,
    product_id varchar(40) NOT NULL,
    quantity int NOT NULL,
    total money NOT NULL,
    currency char(3) NOT NULL,
    status varchar(20) NOT NULL,
    placed_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME()
)
GO
INSERT INTO dbo.customers (customer_id, name, email, segment, loyalty_tier, marketing_consent) VALUES
    ('c-1001', N'Ada Brandt', N'ada@example.com', 'living', 'gold', 1),
    ('c-1002', N'Ben Okafor', N'ben@example.com', 'outdoor', 'silver', 0),
    ('c-1003', N'Chiara Russo', N'chiara@example.com', 'new', 'bronze', 1),
    ('c-1004', N'Dai Nguyen', N'dai@example.com', 'mobility', 'silver', 1)
GO
INSERT INTO dbo.products (product_id, name, description, price, stock) VALUES
    ('armchair', N'Reading armchair', N'Wool cover, oak legs, and a back that agrees with long novels.', 449.00, 20),
    ('lamp', N'Desk lamp', N'Warm light, and an arm that stays where it is put.', 89.50, 60),
    ('kettle', N'Kettle', N'A litre of boiling water in three minutes, without a whistle.', 54.90, 45),
    ('bicycle', N'City bicycle', N'Eight gears in the hub, a belt in place of a chain, lights that are always on.', 1099.00, 8),
    ('tent', N'Tent for two', N'Stands in four minutes, weighs less than two kilograms, has seen rain.', 279.00, 15),
    ('radio', N'Kitchen radio', N'One dial for the station and one for the volume.', 129.00, 30)
GO
EXEC sys.sp_cdc_enable_db
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'customers', @role_name = NULL
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'products', @role_name = NULL
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', @role_name = NULL
GO
